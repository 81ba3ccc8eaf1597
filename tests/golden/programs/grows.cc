// Grows to 60 MiB and waits until the log has a line, 20 seconds at most. usage: grows LOG
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

int main(int, char** arguments) {
  for (int i = 0; i < 600; ++i) std::memset(std::malloc(100 << 10), 1, 100 << 10);
  struct stat file = {};
  for (int i = 0; i < 2000; ++i) {
    if (stat(arguments[1], &file) == 0 && file.st_size > 0) return 0;
    usleep(10000);
  }
  return 1;
}
