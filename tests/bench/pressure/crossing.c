/* Grows until a group is nearly full, and tells when its usage crossed each threshold.
 *
 * usage: crossing GROUP-DIRECTORY MIB_PER_SECOND    0: as fast as it goes
 *
 * It is alone in a group with a limit. It takes what is missing to 75 % of it, rests a second, so that whoever watches
 * has seen that and sees new growth, and goes on at the rate in blocks of 240 B, each written to. After each page it
 * reads the usage of the group, the counter that the kernel kills by, less page cache, and notes the time at which this
 * passed 80, 90 and 97 %: before that page nobody could have known. At 98 % it stops, and prints "PERCENT,NS" for each,
 * of CLOCK_MONOTONIC. Reading slows it down: without a pause it goes at about a third of full speed.
 *
 * The kernel charges a group in batches of 64 pages a core, which it and whoever watches see alike. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { kMarks = 3 };
static const unsigned percent[kMarks] = {80, 90, 97};
static char* volatile last;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int open_in(const char* group, const char* version2, const char* version1) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", group, version2);
  int file = open(path, O_RDONLY);
  if (file < 0) {
    snprintf(path, sizeof path, "%s/%s", group, version1);
    file = open(path, O_RDONLY);
  }
  if (file < 0) {
    perror(path);
    exit(2);
  }
  return file;
}

static uint64_t number_in(int file) {
  char text[32] = {0};
  if (pread(file, text, sizeof text - 1, 0) <= 0) exit(2);
  return strtoull(text, NULL, 10);
}

/* Page cache of the group. Its files are read before; nothing here reads any. */
static uint64_t cached_in(int file) {
  static char text[16384];
  ssize_t const length = pread(file, text, sizeof text - 1, 0);
  text[length > 0 ? length : 0] = 0;
  uint64_t sum = 0;
  static const char* const keys[] = {"\ntotal_inactive_file ", "\ntotal_active_file ", "\ninactive_file ",
                                     "\nactive_file "};
  int const is_version1 = strstr(text, keys[0]) != NULL;
  for (int i = is_version1 ? 0 : 2, end = i + 2; i < end; ++i) {
    const char* const at = strstr(text, keys[i]);
    if (at != NULL) sum += strtoull(at + strlen(keys[i]), NULL, 10);
  }
  return sum;
}

static void take(size_t bytes) {
  for (size_t taken = 0; taken < bytes; taken += 240) {
    char* const block = malloc(240);
    if (block == NULL) exit(3);
    memset(block, 1, 240);
    last = block;
  }
}

int main(int count, char** words) {
  if (count != 3) return 2;
  int const usage_file = open_in(words[1], "memory.current", "memory.usage_in_bytes");
  uint64_t const limit = number_in(open_in(words[1], "memory.max", "memory.limit_in_bytes"));
  double const rate = strtod(words[2], NULL) * (1 << 20);
  int const stat_file = open_in(words[1], "memory.stat", "memory.stat");
  while (number_in(usage_file) - cached_in(stat_file) < limit / 100 * 75) take(256 << 10);
  sleep(1);

  uint64_t const cached = cached_in(stat_file);
  uint64_t crossed[kMarks] = {0};
  uint64_t const start = now_ns();
  int at = 0;
  for (size_t taken = 0;; taken += 4080) {
    take(4080);
    uint64_t const usage = number_in(usage_file) - cached;
    while (at < kMarks && usage >= limit / 100 * percent[at] + limit % 100 * percent[at] / 100)
      crossed[at++] = now_ns();
    if (usage >= limit / 100 * 98) break;
    while (rate != 0 && (double)taken > (double)(now_ns() - start) / 1e9 * rate) usleep(200);
  }
  usleep(300000);
  for (int i = 0; i < kMarks; ++i) printf("%u,%llu\n", percent[i], (unsigned long long)crossed[i]);
  fflush(stdout);
  _exit(0);
}
