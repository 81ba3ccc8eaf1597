// A packet is received into a buffer of exactly its size, and its parts go their ways without a copy. What is idle
// never keeps the budget from being used.

#include "mempool/buffer_manager.hpp"

#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

int main() {
  mempool::buffer_manager buffers{{.max_bytes = 1 << 20}};

  mempool::buffer packet = buffers.allocate(1500);
  std::printf("%zu bytes in a block of %zu\n", packet.size(), packet.capacity());
  std::memcpy(packet.data(), "HEADbody", 8);

  mempool::shared_buffer const whole = std::move(packet).share();  // read-only from here
  mempool::shared_buffer const head = whole.slice(0, 4), body = whole.slice(4, 4);
  if (std::memcmp(head.data(), "HEAD", 4) != 0 || std::memcmp(body.data(), "body", 4) != 0) return 1;
  std::printf("two parts of it, %zu bytes in use\n", buffers.stats().in_use);

  {
    std::vector<mempool::buffer> burst;
    for (int i = 0; i < 500; ++i) burst.push_back(buffers.allocate(2000));
  }
  auto const after_burst = buffers.stats();
  std::printf("after a burst: %zu bytes reserved, %zu of them idle\n", after_burst.reserved, after_burst.idle);

  mempool::buffer const large = buffers.allocate(512 << 10);  // idle blocks go for it
  auto const now = buffers.stats();
  std::printf("a large one fits: %zu bytes reserved of %zu\n", now.reserved, now.max_bytes);
  if (now.reserved > now.max_bytes || now.in_use != (512 << 10) + 2048) return 1;

  bool const is_refused = !buffers.try_allocate(1 << 20);
  std::printf("one that cannot fit is %s\n", is_refused ? "refused" : "handed out");
  return is_refused ? 0 : 1;
}
