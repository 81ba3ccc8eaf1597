// The order of macOS's zones, on a model of its list: to unregister a zone moves the last one into its place.

#include "../../../preload/zone_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace mempool::macos {
namespace {

struct Zone {
  std::string name;
};

struct System {
  std::vector<Zone*> zones;
  Zone purgeable_zone{"DefaultPurgeableMallocZone"};
  bool makes_purgeable = true;

  Zone* first() { return zones.empty() ? nullptr : zones.front(); }
  bool is_system_default(Zone* zone) { return zone->name == "DefaultMallocZone"; }
  Zone* purgeable() {
    if (!makes_purgeable) return nullptr;
    if (std::find(zones.begin(), zones.end(), &purgeable_zone) == zones.end()) zones.push_back(&purgeable_zone);
    return &purgeable_zone;
  }
  void register_zone(Zone* zone) {
    ASSERT_EQ(std::find(zones.begin(), zones.end(), zone), zones.end()) << zone->name << " is there already";
    zones.push_back(zone);
  }
  void unregister_zone(Zone* zone) {
    auto const at = std::find(zones.begin(), zones.end(), zone);
    ASSERT_NE(at, zones.end()) << zone->name << " is not there";
    *at = zones.back();
    zones.pop_back();
  }
  std::size_t place_of(Zone const* zone) const {
    return static_cast<std::size_t>(std::find(zones.begin(), zones.end(), zone) - zones.begin());
  }
};

TEST(ZoneOrder, ours_becomes_the_first_and_all_others_stay_registered_once) {
  for (bool const purgeable_is_there : {false, true})
    for (std::size_t others = 0; others < 6; ++others) {
      System system;
      Zone standard{"DefaultMallocZone"}, ours{"libmempool"};
      std::vector<Zone> more(others, Zone{"another"});
      system.zones.push_back(&standard);
      if (purgeable_is_there) system.purgeable();
      for (Zone& each : more) system.zones.push_back(&each);
      ASSERT_TRUE(promote(&ours, system));
      EXPECT_EQ(system.first(), &ours);
      EXPECT_EQ(system.zones.size(), others + 3);
      EXPECT_LT(system.place_of(&standard), system.zones.size());
      EXPECT_LT(system.place_of(&standard), system.place_of(&system.purgeable_zone));
    }
}

TEST(ZoneOrder, a_system_without_a_purgeable_zone_will_do) {
  System system;
  system.makes_purgeable = false;
  Zone standard{"DefaultMallocZone"}, ours{"libmempool"};
  system.zones.push_back(&standard);
  ASSERT_TRUE(promote(&ours, system));
  EXPECT_EQ(system.zones, (std::vector<Zone*>{&ours, &standard}));
}

TEST(ZoneOrder, somebody_elses_first_zone_is_left_alone) {
  System system;
  Zone jemalloc{"jemalloc_zone"}, ours{"libmempool"};
  system.zones.push_back(&jemalloc);
  EXPECT_FALSE(promote(&ours, system));
  EXPECT_EQ(system.zones, std::vector<Zone*>{&jemalloc});
}

TEST(ZoneOrder, before_the_system_has_any_zone_nothing_is_done) {
  System system;
  Zone ours{"libmempool"};
  EXPECT_FALSE(promote(&ours, system));
  EXPECT_TRUE(system.zones.empty());
}

}  // namespace
}  // namespace mempool::macos
