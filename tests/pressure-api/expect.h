/* What the scenes of this folder share: expectations that are counted, and waiting for what comes of itself. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { kPatience = 20, kMiB = 1 << 20 };
static int problems;
static char* volatile kept; /* or the compiler drops what nobody reads */

#define expect(condition)                                              \
  do                                                                   \
    if (!(condition)) {                                                \
      printf("line %d: %s (errno %d); ", __LINE__, #condition, errno); \
      ++problems;                                                      \
    }                                                                  \
  while (0)

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

#define await(condition)                                                                   \
  do {                                                                                     \
    for (double const end = now() + kPatience; !(condition) && now() < end;) usleep(1000); \
    expect(condition);                                                                     \
  } while (0)
