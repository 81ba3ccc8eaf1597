/* Surroundings: foreign pointers, real-time threads, system calls that are watched or forbidden, no environment. */
#include "life.h"

void foreign_pointers(void) {
  void* mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  static char of_the_program[64];
  free(mapped);
  free(of_the_program);
  if (realloc(mapped, 100) != NULL || errno != ENOMEM) fail("realloc of a mapping", errno, 0);
}
void real_time_threads(void) {
  struct sched_param const parameter = {.sched_priority = 10};
  pthread_t threads[4];
  start_busy(threads, 4);
  for (int i = 0; i < 2; ++i)
    if (pthread_setschedparam(threads[i], SCHED_FIFO, &parameter)) break;
  usleep(500000);
  join_busy(threads, 4);
}
void only_the_laws_system_calls(void) { /* traced from outside: from the marker on */
  churn(5);
  syscall(SYS_getppid);
  churn(400);
  syscall(SYS_getppid);
}
void cleared_environment(void) {
  clearenv();
  churn(3);
  environ = NULL;
  churn(3);
}
void strict_seccomp(void) { /* from here on read, write and exit alone are allowed */
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
