// The C library's functions that tell about the heap or tune it: mallinfo, malloc_info, mallopt and the like. glibc's:
// musl has none of them, nor their types.

#include <climits>
#ifdef __GLIBC__

#include <cerrno>
#include <cstdio>
#include <malloc.h>

#include "base/figures.hpp"
#include "base/line.hpp"
#include "mempool/mempool.h"
#include "platform/fatal.hpp"
#include "platform/os.hpp"
#include "pools/pools.hpp"
#include "routing/fallback.hpp"
#include "routing/libc_heap.hpp"
#include "routing/router.hpp"

#define MEMPOOL_EXPORT extern "C" [[gnu::visibility("default")]]

using mempool::Line;

namespace {

/// Calls the C library's own function where all of us is switched off.
template <class R, class... A>
R next_or(const char* name, R otherwise, A... arguments) noexcept {
  auto const next = reinterpret_cast<R (*)(A...)>(mempool::libc_heap::next_symbol(name));
  return next != nullptr ? next(arguments...) : otherwise;
}

struct mallinfo2 heap_info() noexcept {
  mempool::pools::Totals const pooled = mempool::pools::totals();
  std::size_t const large = mempool::fallback::live_bytes();
  struct mallinfo2 info {};
  info.arena = pooled.committed_bytes;
  info.hblkhd = large;
  info.uordblks = pooled.live_bytes + large;
  info.fordblks = pooled.cached_bytes + mempool::fallback::kept_bytes();
  return info;
}

/// The old form, whose fields wrap at 4 GiB.
struct mallinfo wrapped_heap_info() noexcept {
  if (mempool::routing::is_off()) return next_or("mallinfo", (struct mallinfo){});
  struct mallinfo2 const full = heap_info();
  struct mallinfo info {};
  info.arena = static_cast<int>(full.arena);
  info.hblkhd = static_cast<int>(full.hblkhd);
  info.uordblks = static_cast<int>(full.uordblks);
  info.fordblks = static_cast<int>(full.fordblks);
  return info;
}

/// Writes the lines of malloc_stats: one a class that was ever used, then what mimalloc served.
template <class Sink>
void each_figure(Sink sink) noexcept {
  for (unsigned i = 0; i < mempool::figures.classes; ++i) {
    auto const supplied = mempool::figures.supplied[i].load(std::memory_order_relaxed);
    if (supplied != 0) sink(16u << i, supplied, mempool::figures.taken_back[i].load(std::memory_order_relaxed));
  }
}

}  // namespace

MEMPOOL_EXPORT int malloc_trim(std::size_t pad) noexcept {
  if (mempool::routing::is_off()) return next_or<int>("malloc_trim", 0, pad);
  return mempool::routing::trim() ? 1 : 0;
}

MEMPOOL_EXPORT struct mallinfo2 mallinfo2() noexcept {
  if (mempool::routing::is_off()) return next_or("mallinfo2", (struct mallinfo2){});
  return heap_info();
}

MEMPOOL_EXPORT struct mallinfo mallinfo() noexcept { return wrapped_heap_info(); }

/// 1, "done", whatever is asked: some programs abort on 0, and nothing here is tuned by arenas or thresholds.
MEMPOOL_EXPORT int mallopt(int parameter, int value) noexcept {
  return mempool::routing::is_off() ? next_or<int>("mallopt", 0, parameter, value) : 1;
}

// Other names of these that a program can find in glibc.
MEMPOOL_EXPORT struct mallinfo __libc_mallinfo() noexcept { return wrapped_heap_info(); }
MEMPOOL_EXPORT int __libc_mallopt(int parameter, int value) noexcept { return mallopt(parameter, value); }

MEMPOOL_EXPORT void malloc_stats() noexcept {
  if (mempool::routing::is_off()) {
    if (auto const next = reinterpret_cast<void (*)()>(mempool::libc_heap::next_symbol("malloc_stats"))) next();
    return;
  }
  auto const say = [](Line& line) { mempool::os::write_stderr(line.finished()); };
  Line head;
  head.text(libmempool_version());
  say(head);
  each_figure([&](unsigned bytes, std::uint64_t supplied, std::uint64_t back) {
    Line line;
    line.text("class ").dec(bytes).text(" bytes: supplied ").dec(supplied).text(", taken back ").dec(back);
    line.text(", in use or in thread caches ").dec(supplied - back);
    say(line);
  });
  struct mallinfo2 const info = heap_info();
  Line total;
  total.text("in use ").dec(info.uordblks).text(" bytes, of these outside the pools ").dec(info.hblkhd);
  total.text("; kept without use ").dec(info.fordblks);
  say(total);
}

/// XML like the C library's: <malloc version="1"> with a <size> per class. EINVAL (returned, as documented there)
/// for any option but 0.
MEMPOOL_EXPORT int malloc_info(int options, FILE* file) {
  if (mempool::routing::is_off()) return next_or<int>("malloc_info", -1, options, file);
  if (options != 0) return EINVAL;
  std::fputs("<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n", file);
  each_figure([&](unsigned bytes, std::uint64_t supplied, std::uint64_t back) {
    Line line;
    line.text("<size from=\"").dec(bytes == 16 ? 0 : bytes / 2 + 1).text("\" to=\"").dec(bytes).text("\" total=\"");
    line.dec((supplied - back) * bytes).text("\" count=\"").dec(supplied - back).text("\"/>");
    std::string_view const text = line.finished();
    std::fwrite(text.data(), 1, text.size(), file);
  });
  struct mallinfo2 const info = heap_info();
  Line line;
  line.text("</sizes>\n<system type=\"current\" size=\"").dec(info.arena + info.hblkhd).text("\"/>\n</heap>\n");
  line.text("<total type=\"rest\" count=\"0\" size=\"").dec(info.fordblks).text("\"/>\n</malloc>");
  std::string_view const text = line.finished();
  std::fwrite(text.data(), 1, text.size(), file);
  return 0;
}

#endif
