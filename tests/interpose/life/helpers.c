/* What the scenes share. */
#include "life.h"

void churn(int rounds) {
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

volatile int stop;
static void* busy(void* unused) {
  (void)unused;
  while (!stop) churn(1);
  return NULL;
}
void start_busy(pthread_t* threads, int n) {
  for (int i = 0; i < n; ++i) pthread_create(&threads[i], NULL, busy, NULL);
}
struct node* fill(size_t size, size_t total) {
  struct node* list = NULL;
  for (size_t held = 0; held < total; held += size) {
    struct node* const node = memset(malloc(size), 1, size);
    node->next = list;
    list = node;
  }
  return list;
}
void drop(struct node* list) {
  while (list) {
    struct node* const next = list->next;
    free(list);
    list = next;
  }
}
void* nearly_busy(void* unused) { /* leaves the processors to the forks; holds a MiB, as a busy thread does */
  (void)unused;
  struct node* const held = fill(1000, 1 << 20);
  while (!stop) {
    churn(1);
    usleep(500);
  }
  drop(held);
  return NULL;
}
void join_busy(pthread_t* threads, int n) {
  stop = 1;
  for (int i = 0; i < n; ++i) pthread_join(threads[i], NULL);
}
long resident_kib(void) { /* counted page by page: statm is off by up to 64 pages a processor */
  char line[256];
  long resident = -1;
  FILE* file = fopen("/proc/self/smaps_rollup", "r");
  while (file && resident < 0 && fgets(line, sizeof line, file)) sscanf(line, "Rss: %ld", &resident);
  if (resident < 0) abort();
  fclose(file);
  return resident;
}
void fail(const char* why, long a, long b) {
  printf("%s: %ld, %ld\n", why, a, b);
  exit(1);
}
int rounds(int n) {
  const char* const most = getenv("LIFE_ROUNDS");
  return most && atoi(most) < n ? atoi(most) : n;
}
void expect_child(pid_t child) {
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) fail("child ended with", status, errno);
}
