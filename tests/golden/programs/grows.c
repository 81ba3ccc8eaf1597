// Grows to 60 MiB and waits until the log has a line, 20 seconds at most. usage: grows LOG
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int count, char** arguments) {
  for (int i = 0; i < 600; ++i) memset(malloc(100 << 10), 1, 100 << 10);
  struct stat file;
  for (int i = 0; count > 1 && i < 2000; ++i) {
    if (stat(arguments[1], &file) == 0 && file.st_size > 0) return 0;
    usleep(10000);
  }
  return 1;
}
