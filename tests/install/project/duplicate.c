/* A program that never names malloc. */
#include <stdio.h>
#include <string.h>

int main(int count, char** words) {
  (void)count;
  return puts(strdup(words[0]) != 0 ? "duplicated" : "failed") < 0;
}
