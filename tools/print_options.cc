// Prints README's table of options from the one there is. `scripts/options-table` puts it in its place.

#include <cstdio>

#include "options/options.hpp"

int main() {
  std::puts("| variable | default | allowed | what it does |\n| --- | --- | --- | --- |");
  for (mempool::options::Row const& row : mempool::options::kTable)
    std::printf("| `%.*s` | `%.*s` | %.*s | %.*s |\n", static_cast<int>(row.name.size()), row.name.data(),
                static_cast<int>(row.fallback.size()), row.fallback.data(), static_cast<int>(row.allowed.size()),
                row.allowed.data(), static_cast<int>(row.help.size()), row.help.data());
}
