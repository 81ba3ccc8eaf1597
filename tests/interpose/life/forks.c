/* Forks: from busy threads, in signal handlers, around handlers that allocate, and children that share memory. */
#include "life.h"

void forks_from_busy_threads(void) {
  pthread_t threads[8];
  for (int i = 0; i < 8; ++i) pthread_create(&threads[i], NULL, nearly_busy, NULL);
  long first = resident_kib(); /* touches pages of the C library's that no later look does */
  int const n = rounds(10000);
  for (int i = 1; i <= n; ++i) {
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
  if (n == 10000 && resident_kib() > first * 105 / 100) fail("resident KiB grew", first, resident_kib());
  join_busy(threads, 8);
}
static void allocate_in_handler(void) {
  free(malloc(40));
  free(malloc(40000));
}
void handlers_that_allocate(void) {
  pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler);
  churn(1);
  for (int i = 0; i < 60; ++i) pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler);
  pthread_t threads[3];
  start_busy(threads, 3);
  for (int i = rounds(300); i > 0; --i) {
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
void handlers_registered_before_ours(void) {
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
void forks_in_signal_handlers(void) {
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
void spawned_children(void) {
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

void vfork_children_allocate(void) {
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
static int threads_here(void) {
  int threads = 0;
  char line[256];
  FILE* file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file)) sscanf(line, "Threads: %d", &threads);
  return threads;
}
void forked_children_have_one_thread(void) { /* with the monitor at work in the parent */
  churn(20);
  for (int i = 0; i < 50; ++i) {
    pid_t const child = fork();
    if (child == 0) {
      churn(2);
      _exit(threads_here() == 1 ? 0 : 7);
    }
    expect_child(child);
  }
}
void forks_amid_the_monitors_work(void) { /* with the monitor: what was on its way to the system is not lost there */
  size_t const size = 100 << 20;
  long const own = resident_kib();
  for (int i = 0; i < 20; ++i) {
    free(memset(malloc(size), 1, size));
    usleep(10000 + i * 500);
    pid_t const child = fork();
    if (child == 0) {
      malloc_trim(0);
      _exit(resident_kib() - own > 20 << 10 ? 7 : 0);
    }
    expect_child(child);
    usleep(30000);
  }
}
void the_program_maps_what_it_freed(void) { /* with the monitor, under a limit of addresses */
  size_t const size = 200 << 20;
  free(malloc(100)); /* from here on the monitor is due */
  usleep(100000);
  for (int i = 0; i < 10; ++i) {
    void* const block = malloc(size);
    if (!block) fail("malloc", i, errno);
    free(block);
    void* const mapped = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) fail("mmap", i, errno);
    munmap(mapped, size);
  }
}
void a_single_threaded_child_of_threads_stays_so(void) { /* under a limit; past its youth, which is a second */
  pthread_t threads[2];
  start_busy(threads, 2);
  pid_t const child = fork();
  if (child == 0) {
    usleep(1100000);
    struct node* const list = fill(1000, 2 << 20);
    usleep(50000);
    drop(list);
    _exit(threads_here() == 1 ? 0 : 7);
  }
  expect_child(child);
  join_busy(threads, 2);
}
