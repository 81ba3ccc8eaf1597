#include <cstring>

#include "platform/os.hpp"

namespace mempool::os {

const char* environment(const char* name) noexcept {
  struct Search {
    const char* name;
    std::size_t length;
    const char* value;
  } search{name, std::strlen(name), nullptr};
  each_environment(
      [](const char* entry, void* context) {
        auto& wanted = *static_cast<Search*>(context);
        if (wanted.value == nullptr && std::strncmp(entry, wanted.name, wanted.length) == 0 &&
            entry[wanted.length] == '=')
          wanted.value = entry + wanted.length + 1;
      },
      &search);
  return search.value;
}

}  // namespace mempool::os
