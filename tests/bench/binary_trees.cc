// Perfect binary trees built and torn down with new and delete, beside one that lives: one thread, one small size.
//
// Source: H. Boehm's GCBench after J. Ellis and P. Kovac; the Computer Language Benchmarks Game's binary-trees.
// Trap: entries of the latter that use a memory pool measure the pool; every node here is one operator new.
// usage: binary_trees DEPTH

#include <cstdio>
#include <cstdlib>

namespace {

struct Node {
  Node *left, *right;
};

Node* build(int depth) {
  return depth == 0 ? new Node{nullptr, nullptr} : new Node{build(depth - 1), build(depth - 1)};
}
long count_and_delete(Node* node) {
  if (node == nullptr) return 0;
  long const nodes = 1 + count_and_delete(node->left) + count_and_delete(node->right);
  delete node;
  return nodes;
}

}  // namespace

int main(int count, char** words) {
  int const deepest = count > 1 ? std::atoi(words[1]) : 18;
  Node* const kept = build(deepest);
  for (int depth = 4; depth <= deepest; depth += 4) {
    long nodes = 0;
    for (long left = 1L << (deepest - depth + 4); left > 0; --left) nodes += count_and_delete(build(depth));
    std::printf("%d %ld\n", depth, nodes);
  }
  std::printf("%ld\n", count_and_delete(kept));
}
