// Textures shared by whoever draws: loaded once while somebody uses them, gone with the last user.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "mempool/weak_cache.hpp"

struct texture {
  std::string file;
  std::vector<char> pixels;
};

int main() {
  int loads = 0;
  auto const load = [&](const std::string& file) {
    ++loads;
    return texture{file, std::vector<char>(100'000)};
  };

  mempool::weak_cache<std::string, texture> textures;
  std::shared_ptr<texture> meadow = textures.get_or_create("grass.png", load);
  std::shared_ptr<texture> garden = textures.get_or_create("grass.png", load);
  bool const is_shared = meadow == garden && loads == 1;
  std::printf("two users, %d load, %zu entry\n", loads, textures.stats().entries);

  meadow.reset();
  garden.reset();  // the last one: the entry goes too, nobody has to sweep
  bool const is_gone = textures.stats().entries == 0 && textures.get("grass.png") == nullptr;
  std::printf("no user, %zu entries\n", textures.stats().entries);

  // Soft: the values used last stay a while without a user, until memory runs short.
  mempool::weak_cache<std::string, texture> soft{
      {.keep_alive = 8, .weigh = [](const texture& t) { return t.pixels.capacity(); }, .name = "textures"}};
  for (int i = 0; i < 20; ++i) soft.get_or_create("tile" + std::to_string(i) + ".png", load);
  bool const is_kept = soft.stats().kept == 8 && soft.get("tile19.png") != nullptr;
  std::printf("soft: %zu kept, %zu bytes\n", soft.stats().kept, soft.bytes());

  std::size_t const given = soft.shrink({.bytes = 1, .pass = mempool::pass::idle, .level = mempool::level::warning});
  bool const is_given_back = given >= 8 * 100'000 && soft.stats().entries == 0;
  std::printf("under pressure it gave back %zu bytes\n", given);

  return is_shared && is_gone && is_kept && is_given_back ? 0 : 1;
}
