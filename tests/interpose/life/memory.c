/* Memory: what goes back, what fails, where addresses, locked pages or data are scarce. */
#include "life.h"

void one_block_size_after_the_other(void) { /* 12 times 60 MiB, none held longer than the next begins */
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
void shuffled_frees_leave_little(void) { /* of what two threads held, within ten seconds, with the monitor */
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

void small_heap(void) { churn(3); }
void refused_memory(void) { /* some requests may fail, none may hurt: the caller has the system refuse */
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
void many_blocks(void) { /* 1.2 GiB of 64-byte blocks, then a mapping of 300 MiB */
  for (size_t i = 0; i < (size_t)1288490188 / 64; ++i) {
    char* p = malloc(64);
    if (!p) fail("malloc failed at MiB", (long)(i * 64 >> 20), errno);
    p[0] = 1;
  }
  if (mmap(NULL, 300u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
    fail("mmap", errno, 0);
}
void no_huge_pages(void) {
  churn(3);
  char line[256];
  FILE* file = fopen("/proc/self/smaps_rollup", "r");
  long huge = -1;
  while (file && fgets(line, sizeof line, file)) sscanf(line, "AnonHugePages: %ld", &huge);
  if (huge != 0) fail("AnonHugePages KiB", huge, 0);
}
void locked_memory(void) {
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
void lower_data_limit(void) {
  struct rlimit const limit = {256 << 20, 256 << 20};
  setrlimit(RLIMIT_DATA, &limit);
  size_t served = 0;
  while (malloc(1000)) ++served;
  if (errno != ENOMEM || served < 100000) fail("served", (long)served, errno);
}
void an_aligned_small_block_is_aligned_to_16(void) {
  for (int i = 0; i < 6000000; ++i) {
    void* block;
    if (posix_memalign(&block, 8, 8)) return;
    if ((uintptr_t)block % 16) fail("block, offset", i, (uintptr_t)block % 16);
  }
}
void sized_frees(void) { /* C23's, by name: the C library here does not have them */
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
