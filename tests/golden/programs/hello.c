// Asks for small blocks, some of them through the C library alone.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  char* const text = strdup("hello");
  for (int i = 0; i < 1000; ++i) {
    char* const block = malloc(100);
    if (block == NULL) return 1;
    memset(block, i, 100);
    free(block);
  }
  puts(text);
  free(text);
  return 0;
}
