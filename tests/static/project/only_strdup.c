// Never calls malloc itself: the C library does, for strdup. Prints whose block it got.
#include <stdio.h>
#include <string.h>

#pragma weak libmempool_version
const char* libmempool_version(void);

int main(void) {
  const char* const text = strdup("by the C library");
  printf("%s\n", &libmempool_version != 0 ? libmempool_version() : text);
  return 0;
}
