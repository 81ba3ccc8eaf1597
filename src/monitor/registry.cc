#include "monitor/registry.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/printable.hpp"
#include "platform/lock.hpp"
#include "platform/os.hpp"
#include "platform/thread_state.hpp"

namespace mempool::monitor {
namespace {

struct Entry {
  long id;  // 0: free, or gone while calls are in flight
  libmempool_listener listener;
  libmempool_usage usage;
  libmempool_reclaim reclaim;
  void* context;
  char name[kLongestName + 1];
  std::uint32_t calls;  // in flight
};

constinit Lock lock;
constinit Entry entries[kMostRegistered] = {};
constinit long last_id = 0;
constinit std::atomic<std::uint32_t> finished_calls{0};  // who waits for one sleeps on it
constinit std::atomic<std::uint32_t> asked{0};

/// The entry whose call this thread is in.
Entry*& own_call() noexcept { return os::own<os::Part::call, Entry*>(); }

const std::uint32_t* word_of(std::atomic<std::uint32_t> const& word) noexcept {
  return reinterpret_cast<const std::uint32_t*>(&word);
}

long add(Entry const& filled) noexcept {
  Guard const guard{lock};
  if (!guard) return 0;
  Entry* const free =
      std::find_if(entries, entries + kMostRegistered, [](Entry const& e) { return e.id == 0 && e.calls == 0; });
  if (free == entries + kMostRegistered) return 0;
  *free = filled;
  return free->id = ++last_id;
}

/// Calls `call` with the entry, if it is still there, and with no lock held.
template <class Call>
void call_if_there(Entry& entry, long id, Call call) noexcept {
  if (!os::make_own()) return;  // no memory to note the call in: it would wait for itself where it takes itself out
  {
    Guard const guard{lock};
    if (!guard || entry.id != id) return;
    ++entry.calls;
  }
  Entry* const outer = own_call();
  own_call() = &entry;
  call(entry);
  own_call() = outer;
  {
    Guard const guard{lock};
    --entry.calls;
  }
  finished_calls.fetch_add(1, std::memory_order_release);
  os::wake_all(word_of(finished_calls));
}

struct Candidate {
  Entry* entry;
  long id;
  std::size_t bytes;
};

/// The holders and what each says it holds, the largest first.
unsigned holders_by_size(Candidate (&out)[kMostRegistered]) noexcept {
  unsigned count = 0;
  {
    Guard const guard{lock};
    if (!guard) return 0;
    for (Entry& each : entries)
      if (each.id != 0 && each.usage != nullptr) out[count++] = {&each, each.id, 0};
  }
  for (Candidate* each = out; each != out + count; ++each)
    call_if_there(*each->entry, each->id, [each](Entry& holder) { each->bytes = holder.usage(holder.context); });
  std::sort(out, out + count, [](Candidate const& a, Candidate const& b) { return a.bytes > b.bytes; });
  return count;
}

}  // namespace

long add_listener(libmempool_listener listener, void* context) noexcept {
  Entry entry{};
  entry.listener = listener;
  entry.context = context;
  return add(entry);
}

long add_holder(const char* name, libmempool_usage usage, libmempool_reclaim reclaim, void* context) noexcept {
  Entry entry{};
  entry.usage = usage;
  entry.reclaim = reclaim;
  entry.context = context;
  std::memcpy(entry.name, name, std::min(std::strlen(name), kLongestName));
  make_printable(entry.name);
  return add(entry);
}

bool remove(long registration) noexcept {
  Entry* found = nullptr;
  {
    Guard const guard{lock};
    if (!guard || registration <= 0) return false;
    for (Entry& each : entries)
      if (each.id == registration) found = &each;
    if (found == nullptr) return false;
    found->id = 0;
  }
  for (;;) {
    std::uint32_t const before = finished_calls.load(std::memory_order_acquire);
    {
      Guard const guard{lock};
      if (!guard || found->calls <= (own_call() == found ? 1u : 0u)) return true;
    }
    os::wait(word_of(finished_calls), before);
  }
}

bool anyone_is_registered() noexcept {
  Guard const guard{lock};
  return guard && std::any_of(entries, entries + kMostRegistered, [](Entry const& e) { return e.id != 0; });
}

Holdings ask_usage(Held* largest, unsigned most) noexcept {
  Candidate holders[kMostRegistered];
  unsigned const count = holders_by_size(holders);
  Holdings all;
  for (unsigned i = 0; i < count; ++i) {
    all.sum += holders[i].bytes;
    if (all.count == most || holders[i].bytes == 0) continue;
    // The name may be gone with its holder: it is copied only where that is still there.
    call_if_there(*holders[i].entry, holders[i].id, [&](Entry& holder) {
      Held& into = largest[all.count++];
      std::memcpy(into.name, holder.name, sizeof into.name);
      into.bytes = holders[i].bytes;
    });
  }
  return all;
}

void tell_listeners(int level_before, const libmempool_snapshot& now) noexcept {
  for (Entry& each : entries) {
    long id = 0;
    {
      Guard const guard{lock};
      if (!guard) return;
      if (each.listener != nullptr) id = each.id;
    }
    if (id != 0) call_if_there(each, id, [&](Entry& of) { of.listener(level_before, &now, of.context); });
  }
}

std::size_t ask_to_reclaim(std::size_t wanted, int pass, int level) noexcept {
  Candidate holders[kMostRegistered];
  unsigned const count = holders_by_size(holders);
  std::size_t given = 0;
  for (unsigned i = 0; i < count && given < wanted; ++i)
    call_if_there(*holders[i].entry, holders[i].id, [&](Entry& holder) {
      if (holder.reclaim == nullptr) return;
      libmempool_request const request{sizeof request, wanted - given, pass, level};
      given += std::min(holder.reclaim(&request, holder.context), SIZE_MAX - given);
    });
  return given;
}

const std::uint32_t* epoch() noexcept { return word_of(asked); }
void next_epoch() noexcept { asked.fetch_add(1, std::memory_order_release); }

void registry_fork_prepare() noexcept { lock.take_for_fork(); }
void registry_fork_parent() noexcept { lock.release_after_fork(); }
void registry_fork_child() noexcept {
  for (Entry& each : entries) each.calls = own_call() == &each ? 1 : 0;
  lock.release_after_fork();
}

}  // namespace mempool::monitor
