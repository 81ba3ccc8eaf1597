// Our side of the comparison with the seed: runs an operation list through compat/seed.hpp. usage: ours SYSTEM <
// operations. Prints a line for each operation, as seed.cjs does, which explains the operations.
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mempool/compat/seed.hpp"

namespace {

namespace seed = mempool::compat;

/// The words of one operation, read one after the other.
class words {
 public:
  explicit words(const std::string& line) : in_{line} {}
  std::string word() {
    std::string next;
    in_ >> next;
    return next;
  }
  long number() { return std::stol(word()); }
  std::size_t size() { return static_cast<std::size_t>(number()); }
  bool empty() { return (in_ >> std::ws).eof(); }

 private:
  std::istringstream in_;
};
using operation = std::function<std::string(words&)>;
using operations = std::map<std::string, operation>;

template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << std::boolalpha << ... << parts);
  return out.str();
}
template <class T>
std::string joined(const std::vector<T>& parts) {
  std::string all;
  for (std::size_t i = 0; i < parts.size(); ++i) all += text(i == 0 ? "" : ",", parts[i]);
  return all;
}
template <class T>
T take(std::vector<T>& list, std::size_t i) {
  auto const at = list.begin() + static_cast<std::ptrdiff_t>(i % list.size());
  T taken = std::move(*at);
  list.erase(at);
  return taken;
}

operations object_pool() {
  struct object {
    int id;
    long value;
  };
  using pool_type = seed::ObjectPool<object>;
  struct state {
    int made = 0, resets = 0;
    bool is_faulty = false;
    std::unique_ptr<pool_type> pool{};
    std::vector<pool_type::handle> live{};
    std::string told() const { return text("size ", pool->size(), " resets ", resets); }
  };
  auto const s = std::make_shared<state>();
  return {
      {"new",
       [s](words& w) {
         s->live.clear();
         s->made = s->resets = 0;
         std::size_t const initial = w.size(), most = w.size();
         auto* const book = s.get();  // not shared: the pool is a part of it
         s->pool = std::make_unique<pool_type>([book] { return object{++book->made, 0}; },
                                               [book](object& o) {
                                                 if (book->is_faulty) throw std::runtime_error{"reset"};
                                                 o.value = 0;
                                                 ++book->resets;
                                               },
                                               initial, most);
         return text("size ", s->pool->size(), " made ", s->made);
       }},
      {"zeros",
       [](words& w) {
         int count = 0;
         std::size_t const initial = w.size();
         seed::ObjectPool<int> zeros{[&count] { return ++count, 0; }, [](int&) {}, initial, initial};
         auto const one = zeros.acquire(), other = zeros.acquire();
         return text("made ", count);
       }},
      {"acquire",
       [s](words&) {
         s->live.push_back(s->pool->acquire());
         return text("object ", s->live.back()->id, " value ", s->live.back()->value, " size ", s->pool->size());
       }},
      {"write",
       [s](words& w) {
         std::size_t const i = w.size();
         if (!s->live.empty()) s->live[i % s->live.size()]->value = w.number();
         return std::string{"written"};
       }},
      {"release",
       [s](words& w) {
         if (!s->live.empty()) s->pool->release(take(s->live, w.size()));
         return s->told();
       }},
      {"release_twice",
       [s](words& w) {
         if (s->live.empty()) return s->told();
         auto object_of_it = take(s->live, w.size());
         s->pool->release(std::move(object_of_it));
         s->pool->release(std::move(object_of_it));  // NOLINT: what it is about
         return s->told();
       }},
      {"release_faulty",
       [s](words& w) {
         s->is_faulty = true;
         if (!s->live.empty()) s->pool->release(take(s->live, w.size()));
         s->is_faulty = false;
         return s->told();
       }},
      {"foreign",
       [s](words& w) {
         long const value = w.number();
         pool_type other{[&] { return object{-1, value}; }, [](object&) {}, 1, 1};
         s->pool->release(other.acquire());
         return s->told();
       }},
      {"clear",
       [s](words&) {
         s->pool->clear();
         return s->told();
       }},
  };
}

operations http_request_pool() {
  using handle = mempool::http_request_pool::handle;
  struct state {
    std::unique_ptr<seed::HttpRequestPool> pool{};
    std::vector<handle> live{};
    static std::string show(const handle& request) {
      std::string all = request->method + " " + request->url;
      for (auto const& [name, value] : request->headers) all += text(" ", name, "=", value);
      return text(all, " body ", request->body, " stamped ", request->timestamp.time_since_epoch().count() > 0);
    }
  };
  auto const s = std::make_shared<state>();
  return {
      {"new",
       [s](words&) {
         s->live.clear();
         s->pool = std::make_unique<seed::HttpRequestPool>();
         return std::string{"new"};
       }},
      {"create",
       [s](words& w) {
         std::string const method = w.word(), url = w.word();
         s->live.push_back(s->pool->createRequest(method, url));
         return state::show(s->live.back());
       }},
      {"header",
       [s](words& w) {
         if (s->live.empty()) return std::string{"none"};
         auto& request = s->live[w.size() % s->live.size()];
         std::string const name = w.word(), value = w.word();
         request->headers.set(name, value);
         return state::show(request);
       }},
      {"body",
       [s](words& w) {
         if (s->live.empty()) return std::string{"none"};
         auto& request = s->live[w.size() % s->live.size()];
         request->body = w.word();
         return state::show(request);
       }},
      {"release",
       [s](words& w) {
         if (!s->live.empty()) s->pool->releaseRequest(take(s->live, w.size()));
         return std::string{"released"};
       }},
  };
}

operations buffer_manager() {
  struct state {
    std::size_t mebibytes = 0;
    std::unique_ptr<seed::BufferManager> manager{};
    std::vector<mempool::buffer> live{};
    void begin(std::size_t size) {
      mebibytes = size;
      live.clear();
      manager = std::make_unique<seed::BufferManager>(size);
    }
    std::string told() const {
      auto const stats = manager->getStats();
      std::string all = text("allocated ", stats.allocatedBytes, " pools");
      for (auto const& [size, count] : stats.poolSizes) all += text(" ", size, ":", count);
      return all;
    }
  };
  auto const s = std::make_shared<state>();
  return {
      {"new",
       [s](words& w) {
         s->begin(w.size());
         return std::string{"new"};
       }},
      {"allocate",
       [s](words& w) {
         std::size_t const size = w.size();
         auto const before = s->manager->getStats();
         std::size_t const whole = size == 0 ? 0 : std::bit_ceil(size);
         bool const is_recycled = before.poolSizes.contains(whole);
         bool const overflows = !is_recycled && before.allocatedBytes + whole > s->mebibytes << 20;
         std::string result;
         try {
           auto buffer = s->manager->allocate(size);
           result = text("length ", buffer.size());
           bool is_zero = true;
           for (std::byte const byte : buffer) is_zero = is_zero && byte == std::byte{0};
           if (is_recycled) result += text(" zeros ", is_zero);
           s->live.push_back(std::move(buffer));
         } catch (const mempool::budget_exceeded&) {
           result = "out of memory";
         }
         if (overflows) s->begin(s->mebibytes);
         return result;
       }},
      {"write",
       [s](words& w) {
         std::size_t const i = w.size();
         if (!s->live.empty())
           for (std::byte& byte : s->live[i % s->live.size()]) byte = static_cast<std::byte>(7);
         return std::string{"written"};
       }},
      {"release",
       [s](words& w) {
         if (!s->live.empty()) s->manager->release(take(s->live, w.size()));
         return s->told();
       }},
      {"release_twice",
       [s](words& w) {
         if (s->live.empty()) return s->told();
         auto buffer = take(s->live, w.size());
         s->manager->release(std::move(buffer));
         s->manager->release(std::move(buffer));  // NOLINT: what it is about
         return s->told();
       }},
      {"foreign",
       [s](words& w) {
         seed::BufferManager other{1};
         s->manager->release(other.allocate(w.size()));
         return s->told();
       }},
      {"drop",
       [s](words& w) {
         if (!s->live.empty()) static_cast<void>(take(s->live, w.size()));
         return s->told();
       }},
  };
}

/// A string as the seed measures one.
struct utf16 {
  std::size_t length;
};

}  // namespace

template <>
struct mempool::footprint_of<utf16> {
  std::size_t operator()(const utf16& item) const noexcept { return 2 * item.length; }
};

namespace {

double value_of(double number) { return number; }
double value_of(const utf16& item) { return static_cast<double>(item.length); }

template <class T>
struct recording_processor {
  std::vector<std::size_t> lengths{};
  long fails_at = -1;
  seed::StreamProcessor<T, double> it;

  recording_processor(std::size_t chunk, double limit)
      : it{[this](std::span<T> items) {
             if (static_cast<long>(lengths.size()) == fails_at) throw std::runtime_error{"fn"};
             lengths.push_back(items.size());
             std::vector<double> results;
             for (const T& item : items) results.push_back(value_of(item) * 2 + 1);
             return results;
           },
           chunk, limit / 1048576} {}

  std::string run(const std::vector<T>& items, std::size_t most = SIZE_MAX) {
    lengths.clear();
    std::vector<std::string> results;
    try {
      if (most != 0)
        for (double const result : it.processStream(items)) {
          results.push_back(text(result));
          if (results.size() == most) break;
        }
    } catch (const std::runtime_error&) {
      results.emplace_back("throws");
    }
    return text("chunks ", joined(lengths), " results ", joined(results));
  }
};

operations stream_processor() {
  auto const numbers = [](std::size_t count) {
    std::vector<double> all(count);
    for (std::size_t i = 0; i < count; ++i) all[i] = static_cast<double>(i);
    return all;
  };
  using processor = recording_processor<double>;
  struct limits {
    explicit limits(words& w) : chunk{w.size()}, bytes{static_cast<double>(w.number())} {}
    std::size_t chunk;
    double bytes;
  };
  return {
      {"new", [](words&) { return std::string{"new"}; }},
      {"numbers",
       [=](words& w) {
         limits const of{w};
         return processor{of.chunk, of.bytes}.run(numbers(w.size()));
       }},
      {"strings",
       [=](words& w) {
         limits const of{w};
         std::vector<utf16> items;
         while (!w.empty()) items.push_back({w.size()});
         return recording_processor<utf16>{of.chunk, of.bytes}.run(items);
       }},
      {"again",
       [=](words& w) {
         limits const of{w};
         processor by{of.chunk, of.bytes};
         by.run(numbers(w.size()));
         return by.run(numbers(w.size()));
       }},
      {"left_early",
       [=](words& w) {
         limits const of{w};
         processor by{of.chunk, of.bytes};
         std::size_t const first = w.size();
         by.run(numbers(first), w.size());
         return by.run(numbers(w.size()));
       }},
      {"throwing",
       [=](words& w) {
         limits const of{w};
         processor by{of.chunk, of.bytes};
         std::size_t const first = w.size();
         by.fails_at = w.number();
         by.run(numbers(first));
         by.fails_at = -1;
         return by.run(numbers(w.size()));
       }},
      {"interleaved",
       [=](words& w) {
         limits const of{w};
         processor by{of.chunk, of.bytes};
         auto const items = numbers(w.size());
         auto one = by.it.processStream(items), other = by.it.processStream(items);
         auto at = one.begin(), beside = other.begin();
         while (at != one.end() || beside != other.end()) {
           if (at != one.end()) ++at;
           if (beside != other.end()) ++beside;
         }
         return text("chunks ", joined(by.lengths));
       }},
  };
}

/// Time stands still until an operation says otherwise.
struct list_clock {
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<list_clock, duration>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept { return time_point{ticks}; }
  static inline duration ticks{0};
};

operations gc_optimized_cache() {
  using cache_type = seed::GCOptimizedCache<long, list_clock>;
  auto const cache = std::make_shared<std::unique_ptr<cache_type>>();
  return {
      {"new",
       [cache](words&) {
         *cache = std::make_unique<cache_type>();
         return std::string{"new"};
       }},
      {"set",
       [cache](words& w) {
         std::string const key = w.word();
         long const value = w.number(), ttl = w.number();
         if (ttl < 0)
           (*cache)->set(key, value);
         else
           (*cache)->set(key, value, std::chrono::milliseconds{ttl});
         return std::string{"set"};
       }},
      {"get",
       [cache](words& w) {
         auto const found = (*cache)->get(w.word());
         return found ? text(*found) : std::string{"nothing"};
       }},
      {"advance",
       [](words& w) {
         list_clock::ticks += std::chrono::milliseconds{w.number()};
         return std::string{"later"};
       }},
  };
}

operations circular_buffer() {
  using element = std::optional<long>;  // nothing: JavaScript's undefined
  auto const ring = std::make_shared<std::unique_ptr<seed::CircularBuffer<element>>>();
  auto const shown = [](const std::optional<element>& result) {
    return !result ? std::string{"undefined"} : !*result ? std::string{"an undefined"} : text(**result);
  };
  return {
      {"new",
       [=](words& w) {
         try {
           *ring = std::make_unique<seed::CircularBuffer<element>>(w.size());
           return std::string{"new"};
         } catch (const std::invalid_argument&) {
           *ring = std::make_unique<seed::CircularBuffer<element>>(1);
           return std::string{"throws"};
         }
       }},
      {"push", [=](words& w) { return shown((*ring)->push(w.number())); }},
      {"push_undefined", [=](words&) { return shown((*ring)->push(std::nullopt)); }},
      {"pop", [=](words&) { return shown((*ring)->pop()); }},
      {"shift", [=](words&) { return shown((*ring)->shift()); }},
      {"clear",
       [=](words&) {
         (*ring)->clear();
         return std::string{"cleared"};
       }},
      {"array",
       [=](words&) {
         std::vector<std::string> all;
         for (const element& each : (*ring)->toArray()) all.push_back(each ? text(*each) : "undefined");
         return text("[", joined(all), "]");
       }},
  };
}

operations weak_cache() {
  struct object {
    int id;
  };
  struct state {
    std::unique_ptr<seed::WeakCache<object>> cache{};
    std::vector<std::shared_ptr<object>> owners{};
    int last = 0;
  };
  auto const s = std::make_shared<state>();
  return {
      {"new",
       [s](words&) {
         *s = {std::make_unique<seed::WeakCache<object>>()};
         return std::string{"new"};
       }},
      {"make",
       [s](words&) {
         s->owners.push_back(std::make_shared<object>(object{++s->last}));
         return text("made ", s->last);
       }},
      {"set",
       [s](words& w) {
         if (s->owners.empty()) return std::string{"none"};
         std::string const key = w.word();
         auto const& value = s->owners[w.size() % s->owners.size()];
         s->cache->set(key, value);
         return text("set ", value->id);
       }},
      {"get",
       [s](words& w) {
         auto const found = s->cache->get(w.word());
         return found ? text(found->id) : std::string{"nothing"};
       }},
      {"has", [s](words& w) { return text(s->cache->has(w.word())); }},
      {"delete", [s](words& w) { return text(s->cache->erase(w.word())); }},
      {"drop",
       [s](words& w) {
         if (s->owners.empty()) return std::string{"none"};
         return text("dropped ", take(s->owners, w.size())->id);
       }},
  };
}

/// Stands for libmempool: what it sees is what the list says.
struct listed_library {
  static inline std::uint64_t used = 0, limit = 1;
  static mempool::detail::api api() {
    mempool::detail::api functions;
    functions.register_holder = [](const char*, libmempool_usage, libmempool_reclaim, void*) -> long { return 0; };
    functions.on_pressure = [](libmempool_listener, void*) -> long { return 1; };
    functions.unregister = [](long) -> int { return 0; };
    functions.get_snapshot = [](libmempool_snapshot* into) -> int {
      into->usage = used;
      into->limit = limit;
      return 0;
    };
    return functions;
  }
};

operations memory_monitor() {
  struct state {
    std::unique_ptr<seed::MemoryMonitor> monitor{};
    std::size_t count = 0;
    std::mutex lock{};
    std::condition_variable told{};
    std::vector<std::string> calls{};
  };
  auto const s = std::make_shared<state>();
  auto const listen = [s](bool is_throwing) {
    std::size_t const id = ++s->count;
    s->monitor->onMemoryUsage([s = s.get(), id, is_throwing](const seed::MemoryUsage& usage) {
      char call[40];
      std::snprintf(call, sizeof call, "%zu:%.3f", id, usage.heapUsedPercent);
      {
        std::lock_guard const guard{s->lock};
        s->calls.emplace_back(call);
      }
      s->told.notify_one();
      if (is_throwing) throw std::runtime_error{"listener"};
    });
    return text("listener ", id);
  };
  return {
      {"new",
       [s](words&) {
         s->monitor = std::make_unique<seed::MemoryMonitor>(listed_library::api());
         s->count = 0;
         return std::string{"new"};
       }},
      {"listen", [listen](words&) { return listen(false); }},
      {"listen_throwing", [listen](words&) { return listen(true); }},
      {"interval",
       [s](words& w) {
         listed_library::used = static_cast<std::uint64_t>(w.number());
         listed_library::limit = static_cast<std::uint64_t>(w.number());
         s->calls.clear();
         for (int i = 0; i < 2; ++i)
           if (auto const why = s->monitor->start(std::chrono::milliseconds{1}); why != mempool::monitor_error::none)
             return std::string{message(why)};
         {
           std::unique_lock guard{s->lock};
           s->told.wait(guard, [&] { return s->calls.size() >= s->count; });
         }
         s->monitor->stop();
         s->monitor->stop();
         s->calls.resize(s->count);  // the first interval's
         return text("told ", joined(s->calls));
       }},
  };
}

}  // namespace

int main(int count, char** arguments) {
  std::map<std::string, operations (*)()> const systems{
      {"object_pool", object_pool},           {"http_request_pool", http_request_pool},
      {"buffer_manager", buffer_manager},     {"stream_processor", stream_processor},
      {"circular_buffer", circular_buffer},   {"gc_optimized_cache", gc_optimized_cache},
      {"weak_cache", weak_cache},             {"memory_monitor", memory_monitor}};
  if (count != 2 || !systems.contains(arguments[1])) {
    std::cerr << "usage: ours SYSTEM < operations\n";
    return 2;
  }
  operations const known = systems.at(arguments[1])();
  for (std::string line; std::getline(std::cin, line);) {
    words of{line};
    std::cout << known.at(of.word())(of) << '\n';
  }
}
