// The C interface, mempool.h, but for the version. Each checks its arguments; what it does is the monitor's.

#include <cerrno>
#include <cstring>

#include "mempool/mempool.h"
#include "monitor/monitor.hpp"
#include "monitor/registry.hpp"
#include "options/options.hpp"
#include "pressure/limit.hpp"
#include "routing/router.hpp"

#define MEMPOOL_EXPORT extern "C" [[gnu::visibility("default")]]

using namespace mempool;

namespace {

constexpr std::uint64_t kLeastLimit = std::uint64_t{1} << 20;

long refused(int error) noexcept {
  errno = error;
  return 0;
}

long registered(long registration) noexcept {
  if (registration == 0) return refused(ENOSPC);
  monitor::start_for_registration();
  return registration;
}

}  // namespace

MEMPOOL_EXPORT int libmempool_get_snapshot(libmempool_snapshot* into) {
  if (into == nullptr || into->size < offsetof(libmempool_snapshot, level) + sizeof into->level) return EINVAL;
  routing::start();
  libmempool_snapshot now = monitor::snapshot();
  now.size = into->size < sizeof now ? into->size : sizeof now;
  std::memcpy(into, &now, now.size);
  return 0;
}

MEMPOOL_EXPORT long libmempool_on_pressure(libmempool_listener listener, void* context) {
  if (listener == nullptr) return refused(EINVAL);
  routing::start();
  if (options::number(options::Opt::monitor) == 0) return refused(EPERM);
  return registered(monitor::add_listener(listener, context));
}

MEMPOOL_EXPORT long libmempool_register(const char* name, libmempool_usage usage, libmempool_reclaim reclaim,
                                        void* context) {
  if (name == nullptr || usage == nullptr) return refused(EINVAL);
  if (std::size_t const length = std::strlen(name); length == 0 || length > monitor::kLongestName)
    return refused(EINVAL);
  routing::start();
  return registered(monitor::add_holder(name, usage, reclaim, context));
}

MEMPOOL_EXPORT int libmempool_unregister(long registration) { return monitor::remove(registration) ? 0 : ENOENT; }

MEMPOOL_EXPORT const uint32_t* libmempool_epoch(void) { return monitor::epoch(); }

MEMPOOL_EXPORT size_t libmempool_trim(void) {
  routing::start();
  return monitor::give_back();
}

MEMPOOL_EXPORT int libmempool_set_limit(uint64_t bytes) {
  if (bytes != 0 && bytes < kLeastLimit) return EINVAL;
  routing::start();
  pressure::set_own_limit(bytes);
  monitor::look_soon();
  return 0;
}

MEMPOOL_EXPORT int libmempool_simulate(int level) {
  if (level < -1 || level > LIBMEMPOOL_EMERGENCY) return EINVAL;
  routing::start();
  monitor::simulate(level);
  return 0;
}
