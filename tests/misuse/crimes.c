/* One misuse of the heap per name, for tests/misuse/run. Built without optimisation: a compiler may drop a free. */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void* freed_twice;
static void* free_it(void* block) {
  free(block);
  return NULL;
}
static void in_another_thread(void* block) {
  pthread_t thread;
  pthread_create(&thread, NULL, free_it, block);
  pthread_join(thread, NULL);
}
/* Enough frees of one size to push everything a thread caches down to the slabs. */
static void flush_cache(size_t size) {
  enum { kBlocks = 60000 };
  static void* blocks[kBlocks];
  for (int i = 0; i < kBlocks; ++i) blocks[i] = malloc(size);
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
  malloc_trim(0);
}

int main(int argc, char** argv) {
  const char* crime = argc > 1 ? argv[1] : "";
  size_t size = argc > 2 ? strtoul(argv[2], NULL, 10) : 64;
  char* block = malloc(size);
  char* other = malloc(size);
  memset(block, 1, size);
  int survived = 0;
  if (!strcmp(crime, "double")) {
    free(block);
    free(block);
  } else if (!strcmp(crime, "double_with_another_between")) {
    free(block);
    free(other);
    free(block);
    other = NULL;
    flush_cache(size);
  } else if (!strcmp(crime, "double_in_another_thread")) {
    free(block);
    in_another_thread(block);
    flush_cache(size);
  } else if (!strcmp(crime, "both_in_other_threads")) {
    in_another_thread(block);
    in_another_thread(block);
  } else if (!strcmp(crime, "interior")) {
    free(block + size / 2);
  } else if (!strcmp(crime, "misaligned")) {
    free(block + 1);
  } else if (!strcmp(crime, "just_inside")) {
    free(block + 8);
  } else if (!strcmp(crime, "aligned_twice")) {
    void* aligned = aligned_alloc(4096, size < 4096 ? 4096 : size);
    free(aligned);
    free(aligned);
  } else if (!strcmp(crime, "never_handed_out")) {
    free(block + (1 << 24) / size * size);
    flush_cache(size);
  } else if (!strcmp(crime, "realloc_interior")) {
    freed_twice = realloc(block + 16, size * 2);
  } else if (!strcmp(crime, "realloc_freed")) {
    free(block);
    freed_twice = realloc(block, size * 8);
  } else if (!strcmp(crime, "free_after_realloc_moved")) {
    char* moved = realloc(block, size * 64);
    free(block);
    free(block);
    free(moved);
  } else if (!strcmp(crime, "stack")) {
    char local[64];
    free(local);
    survived = 1;
  } else if (!strcmp(crime, "static")) {
    free(&freed_twice);
    free(&freed_twice);
    survived = 1;
  } else if (!strcmp(crime, "none")) {
    free(block);
    survived = 1;
  } else {
    fprintf(stderr, "crimes: no crime '%s'\n", crime);
    return 2;
  }
  free(other);
  printf("went on\n");
  return survived ? 0 : 3;
}
