/* The contract of the C allocation functions, a check per name, for tests/interpose/run and tests/musl/run. What is
 * checked here holds for glibc 2.36 and musl 1.2.3 too (run it without the preload), but where a line says so. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void* pvalloc(size_t);
void* valloc(size_t);
void* __libc_malloc(size_t);
void __libc_free(void*);
void* __libc_memalign(size_t, size_t);

static int failures;
#define CHECK(condition)                                                     \
  do {                                                                       \
    if (!(condition)) {                                                      \
      printf("line %d: %s (errno %d)\n", __LINE__, #condition, errno);       \
      ++failures;                                                            \
    }                                                                        \
  } while (0)

static volatile size_t zero = 0; /* keeps the compiler from knowing sizes */
#define HUGE_SIZE ((size_t)PTRDIFF_MAX + 1 + zero)

static void refuses(void* got) {
  CHECK(got == NULL);
  CHECK(errno == ENOMEM);
  errno = 0;
}

static void zero_sizes(void) {
  void *a = malloc(zero), *b = malloc(zero), *c = calloc(zero, 5), *d = realloc(NULL, zero);
  CHECK(a && b && c && d && a != b);
  CHECK(malloc_usable_size(a) >= 1);
  free(a), free(b), free(c), free(d);
  errno = 77;
  void* p = malloc(100);
#ifdef __GLIBC__
  CHECK(realloc(p, zero) == NULL);
#else
  p = realloc(p, zero);
  CHECK(p && malloc_usable_size(p) < 100);
  free(p);
#endif
  CHECK(errno == 77);
  CHECK(malloc_usable_size(NULL) == 0);
  free(NULL);
}

static void impossible_sizes(void) {
  size_t const sizes[] = {HUGE_SIZE, SIZE_MAX - 4096, SIZE_MAX - 1, SIZE_MAX, (size_t)PTRDIFF_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    size_t const n = sizes[i] + zero;
    char* kept = malloc(10);
    memcpy(kept, "unchanged", 10);
    errno = 0;
    refuses(malloc(n));
    refuses(calloc(1, n));
    refuses(realloc(kept, n));
    CHECK(!strcmp(kept, "unchanged"));
    refuses(realloc(NULL, n));
    refuses(aligned_alloc(64, n));
    refuses(memalign(64, n));
    refuses(valloc(n));
#ifdef __GLIBC__
    refuses(pvalloc(n));
#endif
    void* untouched = kept;
    errno = 5;
    CHECK(posix_memalign(&untouched, 64, n) == ENOMEM);
    CHECK(untouched == kept);
    errno = 0;
    free(kept);
  }
  for (size_t k = 0; k < 70000; k += 997) refuses(malloc(SIZE_MAX - k - zero));
}

static void calloc_overflow(void) {
  for (int shift = 1; shift < 64; ++shift) {
    errno = 0;
    refuses(calloc(((size_t)1 << shift) + zero, ((size_t)1 << (64 - shift)) + 1));
  }
}

static void calloc_zeroes(void) {
  for (size_t size = 16; size <= (8u << 20); size *= 2) {
    void* dirty[64];
    int const n = size > 1 << 20 ? 4 : 64;
    for (int i = 0; i < n; ++i) memset(dirty[i] = malloc(size), 0xA5, size);
    for (int i = 0; i < n; ++i) free(dirty[i]);
    for (int i = 0; i < n; ++i) {
      unsigned char* p = dirty[i] = calloc(1, size);
      size_t sum = 0;
      for (size_t k = 0; k < size; ++k) sum += p[k];
      CHECK(sum == 0);
      memset(p, 1, size);
    }
    for (int i = 0; i < n; ++i) free(dirty[i]);
  }
}

static void alignment(void) {
  for (size_t size = 1; size <= 70000; size += size < 2000 ? 1 : 61) {
    char* p = malloc(size);
    CHECK((uintptr_t)p % 16 == 0);
    size_t const usable = malloc_usable_size(p);
    CHECK(usable >= size);
    memset(p, 1, usable);
    free(p);
  }
  for (size_t align = 1; align <= (1u << 30); align *= 2)
    for (size_t size = 0; size < 200000; size = size * 3 + 7) {
      char* p = aligned_alloc(align, size);
      CHECK(p && (uintptr_t)p % align == 0);
      if (p) memset(p, 1, malloc_usable_size(p));
      void* q = NULL;
      if (align >= sizeof(void*)) {
        CHECK(posix_memalign(&q, align, size) == 0);
        CHECK((uintptr_t)q % align == 0);
      }
      free(p), free(q);
    }
}

static void odd_alignment(void) {
  void* p = memalign(48 + zero, 100);
#ifdef __GLIBC__
  CHECK(p && (uintptr_t)p % 64 == 0);
#else
  CHECK(p == NULL && errno == EINVAL);
#endif
  free(p);
  p = memalign(zero, 100);
  CHECK(p);
  free(p);
  errno = 0;
  CHECK(memalign(((size_t)1 << 63) + 1 + zero, 100) == NULL);
  CHECK(errno == EINVAL);
  size_t const bad[] = {0, 1, 2, 4, 12, 24};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
    void* untouched = &failures;
    errno = 77;
    CHECK(posix_memalign(&untouched, bad[i] + zero, 10) == EINVAL);
    CHECK(untouched == &failures && errno == 77);
  }
  size_t const page = (size_t)sysconf(_SC_PAGESIZE);
  size_t const sizes[] = {0, 1, page - 1, page, page + 1};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    void* v = valloc(sizes[i]);
    CHECK(v && (uintptr_t)v % page == 0);
    free(v);
#ifdef __GLIBC__
    void* q = pvalloc(sizes[i]);
    CHECK(q && (uintptr_t)q % page == 0);
    free(q);
#endif
  }
}

/* C17's rule; glibc 2.36 still rounds up. To musl 0 is one. */
static void aligned_alloc_wants_a_power_of_two(void) {
  errno = 0;
#ifdef __GLIBC__
  CHECK(aligned_alloc(zero, 10) == NULL && errno == EINVAL);
#else
  void* p = aligned_alloc(zero, 10);
  CHECK(p);
  free(p);
#endif
  errno = 0;
  CHECK(aligned_alloc(24 + zero, 48) == NULL && errno == EINVAL);
}

static void realloc_keeps_contents(void) {
  size_t const sizes[] = {1, 15, 16, 17, 100, 1000, 4096, 32768, 32769, 100000, 1 << 20, 5 << 20, 70 << 20};
  size_t const n = sizeof sizes / sizeof *sizes;
  for (int aligned = 0; aligned < 2; ++aligned)
    for (size_t from = 0; from < n; ++from)
      for (size_t to = 0; to < n; ++to) {
        unsigned char* p = aligned ? memalign(256, sizes[from]) : malloc(sizes[from]);
        for (size_t i = 0; i < sizes[from]; i += 1 + sizes[from] / 4096) p[i] = (unsigned char)(i * 31 + from);
        p = realloc(p, sizes[to]);
        CHECK(p);
        size_t const kept = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
        int bad = 0;
        for (size_t i = 0; i < kept; i += 1 + sizes[from] / 4096) bad += p[i] != (unsigned char)(i * 31 + from);
        CHECK(!bad);
        free(p);
      }
}

static void errno_survives_free(void) {
  static void* blocks[20000];
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 20000; ++i) blocks[i] = malloc((size_t)(i * 7919) % (i % 100 == 0 ? 3000000 : 3000));
    errno = 1234;
    for (int i = 0; i < 20000; ++i) free(blocks[(i * 7) % 20000]);
    CHECK(errno == 1234);
  }
}

#ifdef __GLIBC__
static void tools(void) {
  CHECK(mallopt(M_ARENA_MAX, 1) == 1);
  void* p = malloc(1000);
  void* large = malloc(1 << 20);
  struct mallinfo2 const before = mallinfo2();
  CHECK(before.uordblks >= 1000);
  int const trimmed = malloc_trim(0);
  CHECK(trimmed == 0 || trimmed == 1);
  char* text = NULL;
  size_t length = 0;
  FILE* file = open_memstream(&text, &length);
  CHECK(malloc_info(0, file) == 0);
  CHECK(malloc_info(1, file) == EINVAL);
  fclose(file);
  CHECK(strstr(text, "<malloc version=\"1\">") && strstr(text, "</malloc>"));
  free(text), free(p), free(large);
  (void)mallinfo();
}

static void libc_aliases(void) {
  void* p = __libc_malloc(100);
  free(p);
  __libc_free(malloc(100));
  p = __libc_memalign(4096, 10);
  CHECK((uintptr_t)p % 4096 == 0);
  free(p);
  char* copy = strdup("strdup's block is freed by free");
  free(copy);
  p = reallocarray(NULL, 10, 10);
  free(p);
}
#endif

static void memory_ends(void) { /* run under ulimit -v: every size fails in the end, and frees make room again */
  size_t const sizes[] = {64, 5000, 100000, 10 << 20};
  for (size_t i = 0; i < 4; ++i) {
    void** list = NULL;
    for (;;) {
      void** p = malloc(sizes[i]);
      if (!p) break;
      *p = list;
      list = p;
    }
    CHECK(errno == ENOMEM);
    while (list) {
      void** next = *list;
      free(list);
      list = next;
    }
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    void* again = malloc(sizes[i]);
    CHECK(again);
    free(again);
  }
}

int main(int argc, char** argv) {
  struct {
    const char* name;
    void (*check)(void);
  } const checks[] = {{"zero_sizes", zero_sizes}, {"impossible_sizes", impossible_sizes},
                      {"calloc_overflow", calloc_overflow}, {"calloc_zeroes", calloc_zeroes},
                      {"alignment", alignment}, {"odd_alignment", odd_alignment},
                      {"aligned_alloc_wants_a_power_of_two", aligned_alloc_wants_a_power_of_two},
                      {"realloc_keeps_contents", realloc_keeps_contents},
#ifdef __GLIBC__
                      {"tools", tools}, {"libc_aliases", libc_aliases},
#endif
                      {"errno_survives_free", errno_survives_free}, {"memory_ends", memory_ends}};
  for (size_t i = 0; i < sizeof checks / sizeof *checks; ++i)
    if (argc > 1 && !strcmp(argv[1], checks[i].name)) {
      checks[i].check();
      return failures != 0;
    }
  printf("contract: no check '%s'\n", argc > 1 ? argv[1] : "");
  return 2;
}
