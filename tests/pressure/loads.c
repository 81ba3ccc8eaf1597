/* Loads that bring a process near its limit, and some of them back.
 *
 * usage: loads ramp MIB_PER_SECOND          grows in blocks of 240 B, touched, until it is killed; 0: as fast as it goes
 *        loads survive NAME ordered|shuffled   one of the four below; ends with 0 where it lived
 *
 *   sleeping   four threads fill 80 MiB with blocks of 64 B to 1 KiB, free them and sleep; then the main thread takes
 *              80 MiB in blocks of 32 KiB. For a limit of 128 MiB.
 *   spinning   the same, but the four threads spin.
 *   classes    twelve rounds, each of 60 MiB in another size, freed again. For a limit of 96 MiB.
 *   one-block  60 MiB of blocks of 512 B, freed; then one block of 70 MiB. For a limit of 96 MiB.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { kThreads = 4 };
static const size_t kMiB = 1 << 20;
static int shuffled;
static atomic_int freed, may_end;
static int spins;
static char* volatile last; /* or the compiler drops a block that nobody reads */

static uint64_t next(uint64_t* state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static char* take(size_t size) {
  char* const block = malloc(size);
  if (block == NULL) {
    fprintf(stderr, "loads: out of memory\n");
    exit(3);
  }
  memset(block, 1, size);
  return last = block;
}

/* Fills `bytes` with blocks of `least` to `most` bytes and frees them. */
static void fill_and_free(size_t bytes, size_t least, size_t most, uint64_t seed) {
  size_t const capacity = bytes / least + 1;
  char** const blocks = malloc(capacity * sizeof *blocks);
  size_t count = 0;
  for (size_t filled = 0; filled < bytes && count < capacity;) {
    size_t const size = least + (most > least ? next(&seed) % (most - least) : 0);
    blocks[count++] = take(size);
    filled += size;
  }
  if (shuffled)
    for (size_t i = count; i > 1; --i) {
      size_t const j = next(&seed) % i;
      char* const swapped = blocks[i - 1];
      blocks[i - 1] = blocks[j];
      blocks[j] = swapped;
    }
  for (size_t i = 0; i < count; ++i) free(blocks[i]);
  free(blocks);
}

static void* worker(void* seed) {
  fill_and_free(80 * kMiB / kThreads, 64, 1024, (uintptr_t)seed);
  ++freed;
  while (!may_end)
    if (!spins) usleep(10000);
  return NULL;
}

static int survive(const char* name) {
  if (strcmp(name, "sleeping") == 0 || strcmp(name, "spinning") == 0) {
    spins = strcmp(name, "spinning") == 0;
    pthread_t threads[kThreads];
    for (uintptr_t i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, worker, (void*)(i + 1));
    while (freed != kThreads) usleep(1000);
    char* blocks[80 * 32];
    for (size_t i = 0; i < 80 * 32; ++i) blocks[i] = take(32 << 10);
    for (size_t i = 0; i < 80 * 32; ++i) free(blocks[i]);
    may_end = 1;
    for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
    return 0;
  }
  if (strcmp(name, "classes") == 0) {
    for (size_t size = 16; size <= 32 << 10; size *= 2) fill_and_free(60 * kMiB, size, size, size);
    return 0;
  }
  if (strcmp(name, "one-block") == 0) {
    fill_and_free(60 * kMiB, 512, 512, 1);
    free(take(70 * kMiB));
    return 0;
  }
  return 2;
}

static int ramp(size_t mib_per_second) {
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (size_t taken = 0;; taken += 240) {
    take(240);
    while (mib_per_second != 0 && taken % 24000 == 0) {
      clock_gettime(CLOCK_MONOTONIC, &now);
      double const seconds = (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
      if ((double)taken <= seconds * (double)(mib_per_second * kMiB)) break;
      usleep(1000);
    }
  }
}

int main(int count, char** words) {
  if (count == 3 && strcmp(words[1], "ramp") == 0) return ramp(strtoul(words[2], NULL, 10));
  if (count == 4 && strcmp(words[1], "survive") == 0) {
    shuffled = strcmp(words[3], "shuffled") == 0;
    int const result = survive(words[2]);
    if (result == 0) return 0;
  }
  fprintf(stderr, "usage: loads ramp MIB_PER_SECOND | loads survive sleeping|spinning|classes|one-block ordered|shuffled\n");
  return 2;
}
