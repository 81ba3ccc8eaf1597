// How a zone of ours becomes the first of the system's list, which is the one that malloc() asks.
//
// libmalloc has no call for it. But to unregister a zone moves the last one into its place: with ours registered last,
// to take the first one out and put it back at the end makes ours the first. The purgeable zone asks the first one for
// its small blocks, so it is made before the order changes, and it has to stand behind the one it asks: it goes to the
// end too. Source of the trick: jemalloc's zone.c. The system's calls are a parameter, so that it is tested anywhere.
#pragma once

namespace mempool::macos {

/// `System` has first(), register_zone(zone), unregister_zone(zone) and purgeable(), which makes that zone where it has
/// to. False, and nothing was done, where the first zone is not the system's default one: somebody else's allocator is
/// at home here.
template <class Zone, class System>
bool promote(Zone* ours, System& system) noexcept {
  Zone* const before = system.first();
  if (before == nullptr || !system.is_system_default(before)) return false;
  Zone* const purgeable = system.purgeable();
  system.register_zone(ours);
  // A zone that others registered meanwhile may be moved to the front first; each round takes one out of the way.
  for (int rounds = 0; rounds < 64 && system.first() != ours; ++rounds) {
    Zone* const first = system.first();
    system.unregister_zone(first);
    system.register_zone(first);
    if (purgeable != nullptr && purgeable != first) {
      system.unregister_zone(purgeable);
      system.register_zone(purgeable);
    }
  }
  return true;
}

}  // namespace mempool::macos
