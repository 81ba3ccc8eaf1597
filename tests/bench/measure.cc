// Runs a command under a preload and appends "wall_s,user_s,system_s,peak_kib,status" to a file.
//
// usage: measure FILE LIBRARY|- COMMAND [ARG...]
// Wall time is CLOCK_MONOTONIC around fork and wait4, so it holds the loading of the library. Peak is wait4's
// ru_maxrss; trap: the child's starts at its parent's resident set, so this program is small and linked statically.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

double now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}
double seconds(timeval const& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; }

}  // namespace

int main(int count, char** words) {
  if (count < 4) {
    std::fputs("usage: measure FILE LIBRARY|- COMMAND [ARG...]\n", stderr);
    return 2;
  }
  double const start = now();
  pid_t const child = fork();
  if (child < 0) return 2;
  if (child == 0) {
    if (std::strcmp(words[2], "-") != 0) setenv("LD_PRELOAD", words[2], 1);
    execvp(words[3], words + 3);
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child) return 2;
  double const wall = now() - start;
  std::FILE* const file = std::fopen(words[1], "a");
  if (file == nullptr) return 2;
  int const code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::fprintf(file, "%.4f,%.4f,%.4f,%ld,%d\n", wall, seconds(usage.ru_utime), seconds(usage.ru_stime),
               usage.ru_maxrss, code);
  return std::fclose(file) == 0 ? code : 2;
}
