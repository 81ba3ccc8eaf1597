// Threads that each take a small block, write it often and free it. An allocator that serves two threads from one
// cache line makes them fight for it.
//
// Source: cache-thrash, E. Berger, K. McKinley, R. Blumofe and P. Wilson, "Hoard: a scalable memory allocator for
// multithreaded applications", ASPLOS 2000. Trap: with more threads than cores they seldom meet, and on one core
// never: read the row of two threads. AMOUNT blocks of 1000 writes.

#include "false_sharing.hpp"

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned) { return write_blocks(nullptr, given.amount); }));
}
