/* A process's life around the heap: threads, forks, signals, exits; a scene per name, for tests/interpose/run. Each
 * prints "done" when it got to its end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <linux/seccomp.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

static void churn(int rounds) {
  void* blocks[64];
  unsigned seed = (unsigned)(uintptr_t)&seed ^ (unsigned)rounds;
  for (int i = 0; i < rounds; ++i) {
    for (int k = 0; k < 64; ++k) {
      seed = seed * 1664525 + 1013904223;
      size_t const size = (seed >> 8) % (k == 0 ? 200000 : 3000);
      blocks[k] = malloc(size);
      if (blocks[k] && size) memset(blocks[k], k, size < 64 ? size : 64);
    }
    for (int k = 0; k < 64; ++k) free(blocks[k]);
  }
}

static volatile int stop;
static void* busy(void* unused) {
  (void)unused;
  while (!stop) churn(1);
  return NULL;
}
static void start_busy(pthread_t* threads, int n) {
  for (int i = 0; i < n; ++i) pthread_create(&threads[i], NULL, busy, NULL);
}
struct node { struct node* next; };
static struct node* fill(size_t size, size_t total) {
  struct node* list = NULL;
  for (size_t held = 0; held < total; held += size) {
    struct node* const node = memset(malloc(size), 1, size);
    node->next = list;
    list = node;
  }
  return list;
}
static void drop(struct node* list) {
  while (list) {
    struct node* const next = list->next;
    free(list);
    list = next;
  }
}
static void* nearly_busy(void* unused) { /* leaves the processors to the forks; holds a MiB, as a busy thread does */
  (void)unused;
  struct node* const held = fill(1000, 1 << 20);
  while (!stop) {
    churn(1);
    usleep(500);
  }
  drop(held);
  return NULL;
}
static void join_busy(pthread_t* threads, int n) {
  stop = 1;
  for (int i = 0; i < n; ++i) pthread_join(threads[i], NULL);
}
static long resident_kib(void) { /* counted page by page: statm is off by up to 64 pages a processor */
  char line[256];
  long resident = -1;
  FILE* file = fopen("/proc/self/smaps_rollup", "r");
  while (file && resident < 0 && fgets(line, sizeof line, file)) sscanf(line, "Rss: %ld", &resident);
  if (resident < 0) abort();
  fclose(file);
  return resident;
}
static void fail(const char* why, long a, long b) {
  printf("%s: %ld, %ld\n", why, a, b);
  exit(1);
}
static void expect_child(pid_t child) {
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) fail("child ended with", status, errno);
}

/* -- threads */
static void* one_block(void* unused) {
  void* blocks[64];
  (void)unused;
  for (size_t i = 0; i < 64; ++i) blocks[i] = malloc(i == 0 ? 100000 : 16 + i * 47);
  for (size_t i = 0; i < 64; ++i) free(blocks[i]);
  return malloc(100);
}
static void short_threads(void) {
  long first = resident_kib(); /* touches pages of the C library's that no later look does */
  for (int i = 1; i <= 100000; ++i) {
    pthread_t thread;
    void* left = NULL;
    if (pthread_create(&thread, NULL, one_block, NULL)) fail("thread", i, errno);
    pthread_join(thread, &left);
    free(left);
    if (i == 1000) first = resident_kib();
  }
  if (resident_kib() > first * 105 / 100) fail("resident KiB grew", first, resident_kib());
}

static pthread_key_t keys[40];
static void late(void* value) {
  free(value); /* the key is null already: what is set here is found by the next round */
  free(malloc(500));
  static __thread int again; /* one more round of destructors */
  if (!again++) pthread_setspecific(keys[39], malloc(64));
}
static void* with_keys(void* unused) {
  for (int i = 0; i < 40; ++i) pthread_setspecific(keys[i], malloc(100 + (size_t)i));
  churn(2);
  return NULL;
}
static void destructors_that_allocate(void) {
  for (int i = 0; i < 40; ++i) pthread_key_create(&keys[i], late);
  long first = resident_kib(); /* touches pages of the C library's that no later look does */
  for (int i = 0; i < 3000; ++i) {
    pthread_t thread;
    pthread_create(&thread, NULL, with_keys, NULL);
    pthread_join(thread, NULL);
    if (i == 300) first = resident_kib();
  }
  if (resident_kib() > first + 2048) fail("resident KiB grew", first, resident_kib());
}
static void no_keys_left(void) {
  pthread_key_t key;
  while (pthread_key_create(&key, NULL) == 0) {}
  pthread_t threads[4];
  stop = 1;
  start_busy(threads, 4);
  join_busy(threads, 4);
  churn(10);
}
static void small_stacks(void) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 16384);
  for (int i = 0; i < 200; ++i) {
    pthread_t thread;
    void* left = NULL;
    if (pthread_create(&thread, &attributes, one_block, NULL)) fail("thread", i, errno);
    pthread_join(thread, &left);
    free(left);
  }
}
static void* free_from_below(void* list) {
  for (void** p = list; p;) {
    void** next = *p;
    free(p);
    p = next;
  }
  return NULL;
}
static void freed_by_others(void) {
  long first = resident_kib(); /* touches pages of the C library's that no later look does */
  for (int round = 0; round < 60; ++round) {
    void** list = NULL;
    for (int i = 0; i < 30000; ++i) {
      void** p = malloc(i % 1000 == 0 ? 50000 : 48);
      *p = list;
      list = p;
    }
    pthread_t thread;
    pthread_create(&thread, NULL, free_from_below, list);
    pthread_join(thread, NULL);
    if (round == 10) first = resident_kib();
  }
  if (resident_kib() > first * 3 / 2 + 4096) fail("resident KiB grew", first, resident_kib());
}

/* -- memory goes back */
static void one_block_size_after_the_other(void) { /* 12 times 60 MiB, none held longer than the next begins */
  for (size_t size = 16; size <= 32768; size *= 2) drop(fill(size, 60u << 20));
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  if (usage.ru_maxrss > 100 << 10) fail("peak KiB", usage.ru_maxrss, 100 << 10);
}
static void* fill_and_drop_shuffled(void* seed) {
  enum { kBlocks = 1 << 20 };
  static struct { void* blocks[kBlocks]; } lists[2];
  void** const blocks = lists[(uintptr_t)seed].blocks;
  unsigned random = (unsigned)(uintptr_t)seed;
  for (size_t i = 0; i < kBlocks; ++i) {
    random = random * 1664525 + 1013904223;
    size_t const size = 16 + (random >> 8) % 200;
    size_t const other = (random >> 4) % (i + 1);
    blocks[i] = blocks[other];
    blocks[other] = memset(malloc(size), 1, size);
  }
  for (size_t i = 0; i < kBlocks; ++i) free(blocks[i]);
  memset(blocks, 0, sizeof lists[0].blocks);
  madvise((void*)(((uintptr_t)blocks + 4095) & ~4095ul), sizeof lists[0].blocks - 4096, MADV_DONTNEED);
  return NULL;
}
static void shuffled_frees_leave_little(void) { /* of what two threads held, within ten seconds, with the monitor */
  pthread_t other;
  pthread_create(&other, NULL, fill_and_drop_shuffled, (void*)1);
  fill_and_drop_shuffled((void*)0);
  pthread_join(other, NULL);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  for (int tenths = 0; resident_kib() > usage.ru_maxrss / 10; ++tenths) {
    if (tenths == 100) fail("resident KiB of a peak of", resident_kib(), usage.ru_maxrss);
    usleep(100000);
  }
}

/* -- fork */
static void forks_from_busy_threads(void) {
  pthread_t threads[8];
  for (int i = 0; i < 8; ++i) pthread_create(&threads[i], NULL, nearly_busy, NULL);
  long first = resident_kib(); /* touches pages of the C library's that no later look does */
  for (int i = 1; i <= 10000; ++i) {
    pid_t const child = fork();
    if (child == 0) {
      alarm(20);
      churn(2);
      free(malloc(5000000));
      _exit(0);
    }
    expect_child(child);
    if (i == 1000) first = resident_kib();
  }
  if (resident_kib() > first * 105 / 100) fail("resident KiB grew", first, resident_kib());
  join_busy(threads, 8);
}
static void allocate_in_handler(void) {
  free(malloc(40));
  free(malloc(40000));
}
static void handlers_that_allocate(void) {
  pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler);
  churn(1);
  for (int i = 0; i < 60; ++i) pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler);
  pthread_t threads[3];
  start_busy(threads, 3);
  for (int i = 0; i < 300; ++i) {
    pid_t const child = fork();
    if (child == 0) {
      alarm(20);
      churn(2);
      _exit(0);
    }
    expect_child(child);
  }
  join_busy(threads, 3);
}
static volatile sig_atomic_t forks_in_handler;
static void fork_in_handler(int signal) {
  (void)signal;
  int const saved = errno;
  pid_t const child = fork();
  if (child == 0) _exit(0);
  int status;
  if (child > 0) waitpid(child, &status, 0);
  ++forks_in_handler;
  errno = saved;
}
/* Registered before anything of the library ran: in prepare they run after its own handlers, with all of it taken. */
static volatile int handlers_ran;
static void allocate_all_kinds(void) {
  for (size_t size = 1; size <= 100u << 20; size *= 10) {
    char* const block = malloc(size);
    if (!block) _exit(9);
    block[size - 1] = 1;
    free(block);
  }
  ++handlers_ran;
}
static void register_early(int argc, char** argv, char** environment) {
  (void)environment;
  if (argc > 1 && !strcmp(argv[1], "handlers_registered_before_ours"))
    pthread_atfork(allocate_all_kinds, allocate_all_kinds, allocate_all_kinds);
}
__attribute__((section(".preinit_array"), used)) static void (*early)(int, char**, char**) = register_early;
static void handlers_registered_before_ours(void) {
  churn(1);
  pthread_t threads[2];
  start_busy(threads, 2);
  for (int i = 0; i < 50; ++i) {
    handlers_ran = 0;
    pid_t const child = fork();
    if (child == 0) {
      alarm(20);
      churn(2);
      _exit(handlers_ran == 2 ? 0 : 8);
    }
    expect_child(child);
  }
  join_busy(threads, 2);
}
static void forks_in_signal_handlers(void) {
  struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  pthread_t threads[2];
  sigset_t alarms;
  sigemptyset(&alarms);
  sigaddset(&alarms, SIGALRM);
  pthread_sigmask(SIG_BLOCK, &alarms, NULL);
  start_busy(threads, 2);
  pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
  struct itimerval const timer = {{0, 5000}, {0, 5000}};
  setitimer(ITIMER_REAL, &timer, NULL);
  while (forks_in_handler < 200) churn(20);
  struct itimerval const off = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &off, NULL);
  join_busy(threads, 2);
}
static void spawned_children(void) {
  for (int i = 0; i < 200; ++i) {
    pid_t child = vfork();
    if (child == 0) {
      execl("/bin/true", "true", (char*)NULL);
      _exit(127);
    }
    expect_child(child);
    char* arguments[] = {"true", NULL};
    if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ)) fail("posix_spawn", i, errno);
    expect_child(child);
  }
  if (system("true") != 0) fail("system", errno, 0);
  FILE* pipe = popen("echo through a pipe", "r");
  char line[64] = "";
  if (!pipe || !fgets(line, sizeof line, pipe) || pclose(pipe)) fail("popen", errno, 0);
}

/* -- signals, exits */
static void allocate_on_signal(int signal) {
  (void)signal;
  int const saved = errno;
  free(malloc(200));
  errno = saved;
}
static void a_signal_handler_that_allocates_in_the_miss_path(void) {
  struct sigaction action = {.sa_handler = allocate_on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGPROF, &action, NULL);
  struct itimerval const timer = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_PROF, &timer, NULL);
  /* Large blocks alone: they are always a slow path, so the handler cannot meet a half done hit. */
  for (int i = 0; i < 60000; ++i) {
    char* p = malloc(40000 + (size_t)(i % 7) * 10000);
    if (!p) fail("malloc", i, errno);
    p[0] = 1;
    free(p);
  }
}
static void exit_under_threads(void) {
  for (int i = 0; i < 60; ++i) {
    pid_t const child = fork();
    if (child == 0) {
      alarm(20);
      pthread_t threads[2];
      start_busy(threads, 2);
      usleep(1000);
      exit(0);
    }
    expect_child(child);
  }
}
static void at_the_end(void) { churn(5); }
static void frees_after_main(void) {
  atexit(at_the_end);
  at_quick_exit(at_the_end);
  on_exit((void (*)(int, void*))at_the_end, NULL);
  pid_t const child = fork();
  if (child == 0) quick_exit(0);
  expect_child(child);
}

/* -- one thread is one thread */
static void stays_single_threaded(void) {
  churn(300);
  const char* single = dlsym(RTLD_DEFAULT, "__libc_single_threaded");
  if (single && !*single) fail("__libc_single_threaded", *single, 0);
  if (unshare(CLONE_NEWUSER) != 0 && errno != EPERM && errno != ENOSPC) fail("unshare", errno, 0);
}
static void* outlives_main(void* unused) {
  (void)unused;
  usleep(300000);
  churn(20);
  puts("done");
  return NULL;
}
static void the_first_thread_ends_first(void) {
  pthread_t other;
  churn(20);
  pthread_create(&other, NULL, outlives_main, NULL);
  pthread_exit(NULL);
}
static void an_aligned_small_block_is_aligned_to_16(void) {
  for (int i = 0; i < 6000000; ++i) {
    void* block;
    if (posix_memalign(&block, 8, 8)) return;
    if ((uintptr_t)block % 16) fail("block, offset", i, (uintptr_t)block % 16);
  }
}
static void setuid_returns(void) {
  alarm(10);
  pthread_t thread;
  start_busy(&thread, 1);
  usleep(100000); /* the monitor has had its chance to start */
  if (setgid(65534) || setuid(65534)) fail("setuid", errno, 0);
  join_busy(&thread, 1);
}

/* -- odd surroundings */
static void locked_memory(void) {
  if (mlockall(MCL_CURRENT | MCL_FUTURE) && errno != EPERM && errno != ENOMEM) fail("mlockall", errno, 0);
  churn(50);
  for (int i = 0; i < 20; ++i) {
    unsigned char* p = calloc(1, 20000);
    for (int k = 0; k < 20000; ++k)
      if (p[k]) fail("calloc is not zero", k, p[k]);
    memset(p, 7, 20000);
    free(p);
  }
}
static void lower_data_limit(void) {
  struct rlimit const limit = {256 << 20, 256 << 20};
  setrlimit(RLIMIT_DATA, &limit);
  size_t served = 0;
  while (malloc(1000)) ++served;
  if (errno != ENOMEM || served < 100000) fail("served", (long)served, errno);
}
static void foreign_pointers(void) {
  void* mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  static char of_the_program[64];
  free(mapped);
  free(of_the_program);
  if (realloc(mapped, 100) != NULL || errno != ENOMEM) fail("realloc of a mapping", errno, 0);
}
static void real_time_threads(void) {
  struct sched_param const parameter = {.sched_priority = 10};
  pthread_t threads[4];
  start_busy(threads, 4);
  for (int i = 0; i < 2; ++i)
    if (pthread_setschedparam(threads[i], SCHED_FIFO, &parameter)) break;
  usleep(500000);
  join_busy(threads, 4);
}
static void only_the_laws_system_calls(void) { /* traced from outside: from the marker on */
  churn(5);
  syscall(SYS_getppid);
  churn(400);
  syscall(SYS_getppid);
}
static void sized_frees(void) { /* C23's, by name: the C library here does not have them */
  void (*sized)(void*, size_t) = (void (*)(void*, size_t))dlsym(RTLD_DEFAULT, "free_sized");
  void (*aligned)(void*, size_t, size_t) = (void (*)(void*, size_t, size_t))dlsym(RTLD_DEFAULT, "free_aligned_sized");
  if (!sized || !aligned) fail("not exported", !sized, !aligned);
  sized(NULL, 5);
  aligned(NULL, 64, 5);
  for (size_t size = 1; size <= 10000000; size *= 10) {
    sized(malloc(size), size);
    aligned(aligned_alloc(64, size), 64, size);
  }
}
static void vfork_children_allocate(void) {
  for (int i = 0; i < 1000; ++i) {
    pid_t const child = vfork();
    if (child == 0) {
      free(malloc(40));
      free(malloc(50000));
      _exit(0);
    }
    expect_child(child);
  }
  churn(3);
}
static void cleared_environment(void) {
  clearenv();
  churn(3);
  environ = NULL;
  churn(3);
}
static void strict_seccomp(void) { /* from here on read, write and exit alone are allowed */
  churn(3);
  void* blocks[16];
  for (int round = 0; round < 2; ++round) {
    if (round == 1 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) fail("seccomp", errno, 0);
    for (int i = 0; i < 16; ++i) blocks[i] = malloc(100 + (size_t)i * 50);
    for (int i = 0; i < 16; ++i) free(blocks[i]);
  }
  (void)!write(1, "done\n", 5);
  syscall(SYS_exit, 0);
}
static void forked_children_have_one_thread(void) { /* with the monitor at work in the parent */
  churn(20);
  for (int i = 0; i < 50; ++i) {
    pid_t const child = fork();
    if (child == 0) {
      churn(2);
      int threads = 0;
      char line[256];
      FILE* file = fopen("/proc/self/status", "r");
      while (file && fgets(line, sizeof line, file)) sscanf(line, "Threads: %d", &threads);
      _exit(threads == 1 ? 0 : 7);
    }
    expect_child(child);
  }
}
static void small_heap(void) { churn(3); }
static void refused_memory(void) { /* some requests may fail, none may hurt: the caller has the system refuse */
  static char* blocks[3000];
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < 3000; ++i) {
      size_t const size = 8 + (i * 7919) % (i % 100 == 0 ? 3000000 : 20000);
      if ((blocks[i] = malloc(size))) blocks[i][0] = blocks[i][size - 1] = (char)i;
    }
    for (size_t i = 0; i < 3000; ++i) {
      if (blocks[i] && blocks[i][0] != (char)i) fail("block", (long)i, blocks[i][0]);
      free(blocks[i]);
    }
    malloc_trim(0);
  }
}
static void many_blocks(void) { /* 1.2 GiB of 64-byte blocks, then a mapping of 300 MiB */
  for (size_t i = 0; i < (size_t)1288490188 / 64; ++i) {
    char* p = malloc(64);
    if (!p) fail("malloc failed at MiB", (long)(i * 64 >> 20), errno);
    p[0] = 1;
  }
  if (mmap(NULL, 300u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
    fail("mmap", errno, 0);
}
static void no_huge_pages(void) {
  churn(3);
  char line[256];
  FILE* file = fopen("/proc/self/smaps_rollup", "r");
  long huge = -1;
  while (file && fgets(line, sizeof line, file)) sscanf(line, "AnonHugePages: %ld", &huge);
  if (huge != 0) fail("AnonHugePages KiB", huge, 0);
}

int main(int argc, char** argv) {
#define SCENE(name) {#name, name}
  struct {
    const char* name;
    void (*play)(void);
  } const scenes[] = {SCENE(short_threads), SCENE(destructors_that_allocate), SCENE(no_keys_left), SCENE(small_stacks),
                      SCENE(freed_by_others), SCENE(one_block_size_after_the_other),
                      SCENE(shuffled_frees_leave_little), SCENE(forks_from_busy_threads), SCENE(handlers_that_allocate),
                      SCENE(handlers_registered_before_ours), SCENE(the_first_thread_ends_first),
                      SCENE(an_aligned_small_block_is_aligned_to_16),
                      SCENE(forks_in_signal_handlers), SCENE(spawned_children),
                      SCENE(a_signal_handler_that_allocates_in_the_miss_path), SCENE(exit_under_threads),
                      SCENE(frees_after_main), SCENE(stays_single_threaded), SCENE(setuid_returns),
                      SCENE(locked_memory), SCENE(lower_data_limit), SCENE(foreign_pointers), SCENE(real_time_threads),
                      SCENE(only_the_laws_system_calls), SCENE(small_heap), SCENE(refused_memory), SCENE(sized_frees), SCENE(vfork_children_allocate),
                      SCENE(cleared_environment), SCENE(strict_seccomp), SCENE(forked_children_have_one_thread), SCENE(many_blocks), SCENE(no_huge_pages)};
  for (size_t i = 0; i < sizeof scenes / sizeof *scenes; ++i)
    if (argc > 1 && !strcmp(argv[1], scenes[i].name)) {
      scenes[i].play();
      puts("done");
      return 0;
    }
  printf("life: no scene '%s'\n", argc > 1 ? argv[1] : "");
  return 2;
}
