/* Programs that a monitor lives in. usage: guest SCENE [FILE]
 *
 * Each prints what was wrong, and nothing where all was right; what is said on stderr is the runner's to judge. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"

static void grow(int mib) {
  for (int i = 0; i < mib; ++i) {
    char* const block = malloc(kMiB - 4096);
    if (block == NULL) return;
    memset(block, 1, kMiB - 4096);
    kept = block;
  }
}

/* Threads of that name in this process. */
static int threads_named(const char* name) {
  int count = 0;
  DIR* const tasks = opendir("/proc/self/task");
  for (struct dirent* each; tasks != NULL && (each = readdir(tasks)) != NULL;) {
    char path[300], comm[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", each->d_name);
    int const fd = open(path, O_RDONLY);
    if (fd < 0) continue;
    if (read(fd, comm, sizeof comm - 1) > 0) comm[strcspn(comm, "\n")] = 0;
    close(fd);
    count += strcmp(comm, name) == 0;
  }
  if (tasks != NULL) closedir(tasks);
  return count;
}

static off_t size_of(const char* path) {
  struct stat status;
  return stat(path, &status) == 0 ? status.st_size : 0;
}

/* Refuses the system calls with an error, in this process and what it makes. */
static int refuse(const int* calls, int count, int error) {
  struct sock_filter program[64];
  unsigned short n = 0;
  program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (int i = 0; i < count; ++i) {
    program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
  }
  program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog const filter = {n, program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 ? 0 : 77;
}

/* Grows to 92 of 100 MiB, and waits until a line was said. FILE is where lines go. */
static int grows(const char* file) {
  grow(92);
  await(size_of(file) > 0);
  return 0;
}

/* Its monitor runs; then it closes the pipe that is stdout and stderr, and FILE is to appear, which the reader makes when
 * it has seen the end. */
static int daemonizes(const char* file) {
  grow(20);
  await(threads_named("mempool") == 1);
  close(0), close(1), close(2);
  double const end = now() + kPatience;
  while (size_of(file) == 0 && now() < end) usleep(1000);
  int const answer = open(file, O_WRONLY | O_APPEND | O_CREAT, 0644);
  if (write(answer, now() < end ? "in time\n" : "too late\n", 8) < 0) return 1;
  return 0;
}

/* The same in a child, whose monitor is its own. */
static int daemonizes_in_a_child(const char* file) {
  grow(20);
  if (fork() != 0) return 0;
  setsid();
  double const end = now() + kPatience;
  while (threads_named("mempool") == 0 && now() < end) {
    free(malloc(300000));
    usleep(1000);
  }
  return daemonizes(file);
}

static int closes_all_from_3_up(const char* file) {
  grow(20);
  await(threads_named("mempool") == 1);
  for (int fd = 3; fd < 1024; ++fd) close(fd);
  int const first = open("/dev/null", O_RDONLY);
  expect(first == 3);
  return grows(file);
}

/* FILE is the program's own, in the place of stderr: not one byte of ours may get into it. */
static int own_file_as_stderr(const char* file, int flags) {
  close(2);
  int const fd = open(file, flags | O_CREAT | O_TRUNC, 0644);
  expect(fd == 2);
  expect(write(fd, "SQLite format 3", 15) == 15);
  grow(20);
  await(threads_named("mempool") == 1);
  grow(72);
  usleep(500000);
  expect(size_of(file) == 15);
  return 0;
}
static int database_as_stderr(const char* file) { return own_file_as_stderr(file, O_RDWR); }
/* Started with stderr closed: there a file that is only written is the program's too. */
static int output_as_stderr(const char* file) { return own_file_as_stderr(file, O_WRONLY); }

/* A double free is said to nobody then. */
static int misuse_with_database_as_stderr(const char* file) {
  close(2);
  int const fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0644);
  expect(fd == 2);
  expect(write(fd, "SQLite format 3", 15) == 15);
  char* volatile const block = malloc(100000);
  free(block);
  pid_t const child = fork();
  if (child == 0) {
    struct rlimit const none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    free(block);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  expect(size_of(file) == 15);
  return 0;
}

static void* sleep_long(void* unused) {
  pause();
  return unused;
}

/* No thread can be had, by the program or by us: what is free is given back all the same. */
static int gets_no_threads(const char* file) {
  (void)file;
#ifdef SYS_clone3
  int const calls[] = {SYS_clone, SYS_clone3};
#else
  int const calls[] = {SYS_clone};
#endif
  int const refused = refuse(calls, sizeof calls / sizeof *calls, EAGAIN);
  if (refused != 0) return refused;
  pthread_t thread;
  expect(pthread_create(&thread, NULL, sleep_long, NULL) == EAGAIN);
  static char* blocks[120 * 1024];
  size_t const count = 60 * 1024;
  for (size_t i = 0; i < count; ++i) {
    blocks[i] = malloc(1000);
    memset(blocks[i], 1, 1000);
  }
  for (size_t i = 0; i < count; ++i) free(blocks[i]);
  expect(threads_named("mempool") == 0);
  char* const large = malloc(70 * kMiB);
  expect(large != NULL);
  struct rusage used;
  memset(large, 1, 70 * kMiB);
  getrusage(RUSAGE_SELF, &used);
  expect(used.ru_maxrss < 96 * 1024); /* KiB: 60 MiB were given back before 70 were taken */
  free(large);
  return 0;
}

static int filtered(const char* file, const int* calls, int count, int error) {
  int const refused = refuse(calls, count, error);
  return refused != 0 ? refused : grows(file);
}
static int gets_no_pidfd(const char* file) {
  int const calls[] = {434, 438}; /* pidfd_open, pidfd_getfd */
  return filtered(file, calls, 2, EPERM);
}
static int gets_no_close_range(const char* file) {
  int const calls[] = {436};
  return filtered(file, calls, 1, ENOSYS);
}
static int gets_no_table_of_its_own(const char* file) {
  int const calls[] = {436, SYS_unshare};
  return filtered(file, calls, 2, EPERM);
}
/* Nothing can be opened any more: nothing is known, nothing is said, and the program goes on. */
static int opens_nothing(const char* file) {
  int const calls[] = {SYS_open, SYS_openat};
  int const refused = refuse(calls, 2, EACCES);
  if (refused != 0) return refused;
  grow(92);
  usleep(300000);
  char* const block = malloc(1000);
  expect(block != NULL);
  free(block);
  expect(size_of(file) == 0);
  return 0;
}
static void* rests_a_moment(void* unused) {
  usleep(100000);
  return unused;
}
/* The same, and the first thread ends before the last one: the process ends with that. */
static void* ends(void* unused) {
  pthread_exit(unused);
}
static int ends_thread_by_thread(const char* file) {
  pthread_t thread;
  pthread_create(&thread, NULL, ends, NULL); /* what that takes is loaded while it can be */
  pthread_join(thread, NULL);
  int const status = opens_nothing(file);
  if (status != 0 || problems != 0 || pthread_create(&thread, NULL, rests_a_moment, NULL) != 0) return status;
  alarm(kPatience);
  pthread_exit(NULL);
}
static int has_three_descriptors(const char* file) {
  struct rlimit const three = {3, 3};
  expect(setrlimit(RLIMIT_NOFILE, &three) == 0);
  return grows(file);
}

/* A child has no monitor of its own in its first second, and then has one. */
static int child_is_watched_later(const char* file) {
  (void)file;
  grow(20);
  await(threads_named("mempool") == 1);
  pid_t const child = fork();
  if (child == 0) {
    double const born = now();
    double const end = born + kPatience;
    while (threads_named("mempool") == 0 && now() < end) {
      free(malloc(300000));
      usleep(1000);
    }
    double const age = now() - born;
    _exit(threads_named("mempool") != 1 ? 2 : age < 0.9 ? 3 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  if (problems != 0) printf("the child ended with %d; ", WEXITSTATUS(status));
  return 0;
}

/* 60 MiB of 96 are held; then comes a request of 70. */
static int asks_for_too_much(const char* file) {
  grow(20);
  await(threads_named("mempool") == 1);
  grow(40);
  usleep(200000);
  char* const block = malloc((size_t)70 * kMiB);
  expect(block != NULL);
  kept = block;
  await(size_of(file) > 0);
  return 0;
}

/* Ends while the monitor is at work, again and again. */
static int ends_at_once(const char* file) {
  (void)file;
  grow(99);
  return 0;
}

/* The monitor is on its way when the first thread ends: what is in stdout's buffer comes out all the same. */
static int ends_its_first_thread(const char* file) {
  (void)file;
  grow(17);
  printf("all of it");
  pthread_exit(NULL);
}

static const struct {
  const char* name;
  int (*run)(const char* file);
} scenes[] = {
#define scene(name) {#name, name}
    scene(grows), scene(daemonizes), scene(daemonizes_in_a_child), scene(closes_all_from_3_up), scene(database_as_stderr),
    scene(output_as_stderr), scene(misuse_with_database_as_stderr), scene(gets_no_threads), scene(gets_no_pidfd),
    scene(gets_no_close_range), scene(gets_no_table_of_its_own),
    scene(opens_nothing), scene(has_three_descriptors), scene(child_is_watched_later), scene(asks_for_too_much),
    scene(ends_thread_by_thread), scene(ends_its_first_thread),
    scene(ends_at_once),
};

int main(int count, char** words) {
  for (size_t i = 0; count >= 2 && i < sizeof scenes / sizeof *scenes; ++i)
    if (strcmp(words[1], scenes[i].name) == 0) {
      int const status = scenes[i].run(count > 2 ? words[2] : "");
      printf("%s", problems != 0 ? "\n" : "");
      return problems != 0 ? 1 : status;
    }
  fprintf(stderr, "usage: guest SCENE [FILE]\n");
  return 2;
}
