/* Signals in the middle of an allocation, and the end of a process. */
#include "life.h"

static void allocate_on_signal(int signal) {
  (void)signal;
  int const saved = errno;
  free(malloc(200));
  errno = saved;
}
void a_signal_handler_that_allocates_in_the_miss_path(void) {
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
void exit_under_threads(void) {
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
void frees_after_main(void) {
  atexit(at_the_end);
  at_quick_exit(at_the_end);
  on_exit((void (*)(int, void*))at_the_end, NULL);
  pid_t const child = fork();
  if (child == 0) quick_exit(0);
  expect_child(child);
}
