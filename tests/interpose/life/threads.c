/* Threads: short ones, what they leave to destructors and to each other, one alone, the first that ends first. */
#include "life.h"

static void* one_block(void* unused) {
  void* blocks[64];
  (void)unused;
  for (size_t i = 0; i < 64; ++i) blocks[i] = malloc(i == 0 ? 100000 : 16 + i * 47);
  for (size_t i = 0; i < 64; ++i) free(blocks[i]);
  return malloc(100);
}
void short_threads(void) {
  long first = resident_kib(); /* touches pages of the C library's that no later look does */
  int const n = rounds(100000);
  for (int i = 1; i <= n; ++i) {
    pthread_t thread;
    void* left = NULL;
    if (pthread_create(&thread, NULL, one_block, NULL)) fail("thread", i, errno);
    pthread_join(thread, &left);
    free(left);
    if (i == 1000) first = resident_kib();
  }
  if (n == 100000 && resident_kib() > first * 105 / 100) fail("resident KiB grew", first, resident_kib());
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
void destructors_that_allocate(void) {
  for (int i = 0; i < 40; ++i) pthread_key_create(&keys[i], late);
  long first = resident_kib(); /* touches pages of the C library's that no later look does */
  int const n = rounds(3000);
  for (int i = 0; i < n; ++i) {
    pthread_t thread;
    pthread_create(&thread, NULL, with_keys, NULL);
    pthread_join(thread, NULL);
    if (i == 300) first = resident_kib();
  }
  if (n == 3000 && resident_kib() > first + 2048) fail("resident KiB grew", first, resident_kib());
}
void no_keys_left(void) {
  pthread_key_t key;
  while (pthread_key_create(&key, NULL) == 0) {}
  pthread_t threads[4];
  stop = 1;
  start_busy(threads, 4);
  join_busy(threads, 4);
  churn(10);
}
void small_stacks(void) {
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
enum { kNeighbours = 1000 };
static char* in_use[kNeighbours];
static size_t in_use_bytes;
static void* work_beside_them(void* handed_over) {
  static char* own[kNeighbours];
  free(handed_over); /* the other blocks of its cache line are in use */
  for (size_t i = 0; i < kNeighbours; ++i) own[i] = malloc(in_use_bytes);
  for (size_t i = 0; i < kNeighbours; ++i)
    for (size_t k = 0; k < kNeighbours; ++k)
      if ((uintptr_t)own[i] / 64 == (uintptr_t)in_use[k] / 64) fail("one cache line for two threads", (long)i, (long)k);
  for (size_t i = 0; i < kNeighbours; ++i) free(own[i]);
  return NULL;
}
void no_line_is_shared(void) {
  for (in_use_bytes = 16; in_use_bytes <= 32; in_use_bytes *= 2) {
    for (size_t i = 0; i < kNeighbours; ++i) in_use[i] = malloc(in_use_bytes);
    char* handed_over = in_use[kNeighbours / 2];
    in_use[kNeighbours / 2] = NULL;
    pthread_t thread;
    pthread_create(&thread, NULL, work_beside_them, handed_over);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < kNeighbours; ++i) free(in_use[i]);
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
void freed_by_others(void) {
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

void stays_single_threaded(void) {
  churn(300);
  const char* single = dlsym(RTLD_DEFAULT, "__libc_single_threaded");
  if (single && !*single) fail("__libc_single_threaded", *single, 0);
  if (unshare(CLONE_NEWUSER) != 0 && errno != EPERM && errno != ENOSPC) fail("unshare", errno, 0);
}
static void* only_waits(void* unused) {
  for (;;) pause();
  return unused;
}
static long threads_of_this_process(void) {
  long n = 0;
  DIR* tasks = opendir("/proc/self/task");
  while (readdir(tasks)) ++n;
  closedir(tasks);
  return n - 2;
}
void a_thread_that_never_allocates_counts(void) {
  if (!dlsym(RTLD_DEFAULT, "__libc_single_threaded")) return; /* nobody can tell that it is there */
  pthread_t thread;
  pthread_create(&thread, NULL, only_waits, NULL);
  for (size_t i = 0; i < 40000; ++i) memset(malloc(1000), 1, 1000);
  for (int tries = 0; tries < 500 && threads_of_this_process() < 3; ++tries) usleep(10000);
  if (threads_of_this_process() != 3) fail("threads, with the monitor", threads_of_this_process(), 3);
}
static void* outlives_main(void* unused) {
  (void)unused;
  usleep(300000);
  churn(20);
  puts("done");
  return NULL;
}
void the_first_thread_ends_first(void) {
  pthread_t other;
  churn(20);
  pthread_create(&other, NULL, outlives_main, NULL);
  pthread_exit(NULL);
}
void setuid_returns(void) {
  alarm(10);
  pthread_t thread;
  start_busy(&thread, 1);
  usleep(100000); /* the monitor has had its chance to start */
  if (setgid(65534) || setuid(65534)) fail("setuid", errno, 0);
  join_busy(&thread, 1);
}
