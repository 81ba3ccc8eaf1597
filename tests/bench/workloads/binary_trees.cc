// Perfect binary trees built and torn down with new and delete, beside one that lives: one small size in each thread.
//
// Source: H. Boehm's GCBench after J. Ellis and P. Kovac; the Computer Language Benchmarks Game's binary-trees.
// Trap: entries of the latter that use a memory pool measure the pool; every node here is one operator new.
// A round builds 2^15 nodes at each of depths 4, 8 and 12, and AMOUNT counts rounds; the tree that lives has 2^16.

#include "common.hpp"

namespace {

struct Node {
  Node *left, *right;
};

Node* build(int depth) {
  return depth == 0 ? new Node{nullptr, nullptr} : new Node{build(depth - 1), build(depth - 1)};
}
std::uint64_t count_and_delete(Node* node) {
  if (node == nullptr) return 0;
  std::uint64_t const nodes = 1 + count_and_delete(node->left) + count_and_delete(node->right);
  delete node;
  return nodes;
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned) {
    Node* const kept = build(15);
    std::uint64_t nodes = 0;
    for (long left = given.amount; left > 0; --left)
      for (int depth = 4; depth <= 12; depth += 4)
        for (int trees = 1 << (14 - depth); trees > 0; --trees) nodes += count_and_delete(build(depth));
    return nodes + count_and_delete(kept);
  }));
}
