/* Loads that bring a process near its limit, and some of them back.
 *
 * usage: loads ramp MIB_PER_SECOND          grows in blocks of 240 B, touched, until it is killed; 0: as fast as it goes
 *        loads survive NAME ordered|shuffled   one of the four below; ends with 0 where it lived
 *        loads read|map FILE SECONDS   reads the file again and again, by read(2) or through a mapping, 40 MiB of its
 *                                      own in hand
 *        loads sawtooth MIB MIB SECONDS   goes from the one to the other and back, once in two seconds
 *        loads hold MIB SECONDS [RATE]    takes so much in blocks of 64 B to 1 KiB, then replaces RATE of them a second
 *        loads prefork WORKERS MIB EACH_MIB   takes MIB, forks so many and lets each take EACH_MIB in ten seconds
 *
 * Reading is no pressure: where the monitor runs, `read` and `map` end with 1 if it saw a change of level meanwhile, or
 * gave anything back.
 *
 *   sleeping   four threads fill 80 MiB with blocks of 64 B to 1 KiB, free them and sleep; then the main thread takes
 *              80 MiB in blocks of 32 KiB. For a limit of 128 MiB.
 *   spinning   the same, but the four threads spin.
 *   classes    twelve rounds, each of 60 MiB in another size, freed again. For a limit of 96 MiB.
 *   one-block  60 MiB of blocks of 512 B, freed; then one block of 70 MiB. For a limit of 96 MiB.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mempool/mempool.h"

#pragma weak libmempool_get_snapshot

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
    // From 64 B on: the list of smaller blocks would be half as large as they are, and live memory near the limit.
    for (size_t size = 64; size <= 128 << 10; size *= 2) fill_and_free(60 * kMiB, size, size, size);
    return 0;
  }
  if (strcmp(name, "one-block") == 0) {
    fill_and_free(60 * kMiB, 512, 512, 1);
    free(take(70 * kMiB));
    return 0;
  }
  return 2;
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

_Noreturn static void ramp(size_t mib_per_second) {
  double const start = seconds_now();
  for (size_t taken = 0;; taken += 240) {
    take(240);
    while (mib_per_second != 0 && taken % 24000 == 0) {
      if ((double)taken <= (seconds_now() - start) * (double)(mib_per_second * kMiB)) break;
      usleep(1000);
    }
  }
}

static struct libmempool_snapshot look(void) {
  struct libmempool_snapshot seen = {.size = sizeof seen};
  if (libmempool_get_snapshot != NULL) libmempool_get_snapshot(&seen);
  return seen;
}

static int read_again_and_again(const char* name, int through_mapping, double seconds) {
  int const file = open(name, O_RDONLY);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) {
    perror(name);
    return 3;
  }
  size_t const size = (size_t)status.st_size;
  for (size_t held = 0; held < 40 * kMiB; held += 4096) take(4096);
  size_t const chunk = 128 << 10;
  char* const buffer = take(chunk);
  struct libmempool_snapshot const before = look();
  uint64_t sum = 0;
  for (double const end = seconds_now() + seconds; seconds_now() < end;) {
    if (through_mapping) {
      const char* const bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
      if (bytes == MAP_FAILED) return 3;
      for (size_t at = 0; at < size; at += 4096) sum += (unsigned char)bytes[at];
      munmap((void*)(uintptr_t)bytes, size);
    } else {
      lseek(file, 0, SEEK_SET);
      for (ssize_t got; (got = read(file, buffer, chunk)) > 0;) sum += (unsigned char)buffer[got - 1];
    }
  }
  struct libmempool_snapshot const after = look();
  printf("sum %llu, usage %llu, looks %llu\n", (unsigned long long)sum, (unsigned long long)after.usage,
         (unsigned long long)after.looks);
  if (after.transitions == before.transitions && after.given_back == before.given_back) return 0;
  fprintf(stderr, "loads: level %d after %llu changes, given back %llu\n", after.level,
          (unsigned long long)after.transitions, (unsigned long long)(after.given_back - before.given_back));
  return 1;
}

static int sawtooth(size_t low_mib, size_t high_mib, double seconds) {
  size_t const step = 1 << 20, most = high_mib;
  char** const blocks = malloc(most * sizeof *blocks);
  size_t count = 0;
  for (double const start = seconds_now(), end = start + seconds; seconds_now() < end;) {
    double const phase = (seconds_now() - start) / 2;
    double const part = phase - (double)(long)phase;
    double const height = part < 0.5 ? part * 2 : 2 - part * 2;
    size_t const wanted = low_mib + (size_t)((double)(high_mib - low_mib) * height);
    while (count < wanted) blocks[count++] = take(step);
    while (count > wanted) free(blocks[--count]);
    usleep(5000);
  }
  return 0;
}

static int hold(size_t mib, double seconds, size_t rate) {
  uint64_t state = 1;
  size_t const count = mib * kMiB / 544;
  char** const blocks = malloc(count * sizeof *blocks);
  for (size_t i = 0; i < count; ++i) blocks[i] = take(64 + next(&state) % 961);
  puts("ready");
  fflush(stdout);
  for (double const end = seconds_now() + seconds; seconds_now() < end; usleep(10000))
    for (size_t i = 0; i < rate / 100; ++i) {
      char** const one = &blocks[next(&state) % count];
      free(*one);
      *one = take(64 + next(&state) % 961);
    }
  return 0;
}

static int prefork(int workers, size_t mib, size_t each_mib) {
  for (size_t held = 0; held < mib * kMiB; held += 4096) take(4096);
  for (int i = 0; i < workers; ++i)
    if (fork() == 0) {
      for (size_t held = 0; held < each_mib * kMiB; held += 4096) {
        take(4096);
        if (held % (64 << 10) == 0) usleep((useconds_t)(10000000 / (each_mib * 16)));
      }
      sleep(3);
      return 0;
    }
  int failed = 0;
  for (int status; wait(&status) > 0;) failed |= status != 0;
  return failed;
}

int main(int count, char** words) {
  const char* const name = count > 1 ? words[1] : "";
  size_t numbers[3] = {0};
  for (int i = 0; i < 3 && i + 2 < count; ++i) numbers[i] = strtoul(words[i + 2], NULL, 10);
  if (count == 3 && strcmp(name, "ramp") == 0) ramp(numbers[0]);
  if (count == 4 && (strcmp(name, "read") == 0 || strcmp(name, "map") == 0))
    return read_again_and_again(words[2], name[0] == 'm', (double)numbers[1]);
  if (count >= 4 && strcmp(name, "hold") == 0) return hold(numbers[0], (double)numbers[1], numbers[2]);
  if (count == 5 && strcmp(name, "sawtooth") == 0) return sawtooth(numbers[0], numbers[1], (double)numbers[2]);
  if (count == 5 && strcmp(name, "prefork") == 0) return prefork((int)numbers[0], numbers[1], numbers[2]);
  if (count == 4 && strcmp(name, "survive") == 0) {
    shuffled = strcmp(words[3], "shuffled") == 0;
    int const result = survive(words[2]);
    if (result == 0) return 0;
  }
  fprintf(stderr, "usage: loads NAME ...: see the head of loads.c\n");
  return 2;
}
