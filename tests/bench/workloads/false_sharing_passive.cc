// One thread allocates small blocks side by side and hands one to each thread, which frees it and takes blocks of its
// own. An allocator that gives it the freed block again keeps the threads on one cache line for good.
//
// Source: cache-scratch, E. Berger, K. McKinley, R. Blumofe and P. Wilson, "Hoard: a scalable memory allocator for
// multithreaded applications", ASPLOS 2000. Trap: as in false_sharing_active, only two threads on two cores show it;
// which of them share a line is luck of the first addresses, so here neighbours are handed to neighbours.
// AMOUNT blocks of 1000 writes.

#include "false_sharing.hpp"

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  std::vector<char*> handed(given.threads);
  for (char*& p : handed) p = allocate(8);
  return print(sum_over_threads(given.threads, [&](unsigned which) {
    return write_blocks(handed[which], given.amount);
  }));
}
