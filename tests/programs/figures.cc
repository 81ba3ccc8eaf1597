// Makes and reads the page that a process under the preload counts in (MEMPOOL_SUMMARY=FILE), for the shell.
//
// usage: figures new FILE | figures read FILE
// `read` prints shell assignments: owner, supplied, taken_back (blocks), requests, small (calls that mimalloc
// served, and those of them that would have fitted a class), foreign, faults.

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <new>

#include "base/figures.hpp"
#include "pools/size_class.hpp"

namespace {

using mempool::Figures;

int make(const char* path) {
  static constinit Figures page{};
  page.magic = Figures::kMagic;
  std::FILE* const file = std::fopen(path, "wb");
  if (file == nullptr) return 1;
  bool const written = std::fwrite(&page, sizeof page, 1, file) == 1;
  return std::fclose(file) == 0 && written ? 0 : 1;
}

int read(const char* path) {
  static constinit Figures page{};
  std::FILE* const file = std::fopen(path, "rb");
  if (file == nullptr) return 1;
  bool const complete = std::fread(static_cast<void*>(&page), sizeof page, 1, file) == 1;
  std::fclose(file);
  if (!complete || page.magic != Figures::kMagic) return 1;
  std::uint64_t supplied = 0, taken_back = 0, requests = 0, small = 0;
  for (unsigned i = 0; i < mempool::kMaxClasses; ++i) {
    supplied += page.supplied[i];
    taken_back += page.taken_back[i];
  }
  for (auto const& shard : page.fallback) {
    requests += shard.requests;
    small += shard.small;
  }
  std::printf("owner=%" PRIu32 " supplied=%" PRIu64 " taken_back=%" PRIu64 " requests=%" PRIu64 " small=%" PRIu64
              " foreign=%" PRIu64 " faults=%" PRIu64 " largest_pooled=%zu\n",
              page.owner.load(), supplied, taken_back, requests, small, page.foreign_frees.load(), page.faults.load(),
              mempool::pools::kMaxPooled);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count == 3 && std::strcmp(words[1], "new") == 0) return make(words[2]);
  if (count == 3 && std::strcmp(words[1], "read") == 0) return read(words[2]);
  std::fputs("usage: figures new FILE | figures read FILE\n", stderr);
  return 2;
}
