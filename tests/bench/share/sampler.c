/* Preloaded beside libmempool: every 20 ms writes what the process has resident and what malloc has handed out, in
 * bytes, a line each time, to the file that SHARE_FILE names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <mempool/mempool.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int (*get_snapshot)(struct libmempool_snapshot*);
static int file = -1;

static void* sample(void* unused) {
  (void)unused;
  for (;;) {
    struct libmempool_snapshot now = {.size = sizeof now};
    char line[64];
    if (get_snapshot(&now) == 0) {
      int const length = snprintf(line, sizeof line, "%llu %llu\n", (unsigned long long)now.resident,
                                  (unsigned long long)now.heap_live);
      if (write(file, line, (size_t)length) < 0) return 0;
    }
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, 0);
  }
}

__attribute__((constructor)) static void start(void) {
  const char* const name = getenv("SHARE_FILE");
  get_snapshot = (int (*)(struct libmempool_snapshot*))dlsym(RTLD_DEFAULT, "libmempool_get_snapshot");
  if (name == 0 || get_snapshot == 0) return;
  unsetenv("SHARE_FILE"); /* this process alone, not its children */
  file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  pthread_t thread;
  if (file >= 0) pthread_create(&thread, 0, sample, 0);
  pthread_sigmask(SIG_SETMASK, &before, 0);
}
