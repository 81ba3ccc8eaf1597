#include "monitor/monitor.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/figures.hpp"
#include "monitor/caller.hpp"
#include "monitor/helper_thread.hpp"
#include "monitor/registry.hpp"
#include "monitor/sink.hpp"
#include "monitor/stalls.hpp"
#include "options/options.hpp"
#include "platform/hooks.hpp"
#include "platform/lock.hpp"
#include "platform/os.hpp"
#include "pools/pools.hpp"
#include "pools/record.hpp"
#include "pressure/account.hpp"
#include "pressure/forecast.hpp"
#include "pressure/limit.hpp"
#include "pressure/policy.hpp"
#include "routing/fallback.hpp"
#include "routing/libc_heap.hpp"

namespace mempool::monitor {
namespace {

using options::Opt;
using pressure::Level;
using pressure::Reading;

constexpr std::int64_t kSecondLook = 100;   // ms
constexpr std::int64_t kShortestLook = 20;  // ms
// The kernel charges a group in batches of 64 pages a core, ahead of what is touched, and a slab is handed out ahead,
// too: of two cores.
std::size_t charged_ahead() noexcept { return 160 * os::page_size(); }
// After the tripwire: the bytes were handed out, now they are being touched. At 10 MiB/s that takes all these looks.
constexpr std::int64_t kAfterTripwire = 500;  // us
constexpr unsigned kLooksAfterTripwire = 100;
constexpr std::int64_t kReuse = 10000;  // us for which a freed mapping may find a new use before it is given back
constexpr int kFarewell = 100;  // ms that an exit waits at most
constexpr int kPatience = 500;  // ms for which holders may take their time before the next look
constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kWorthALine = kMiB;
constexpr std::size_t kMatters = 16 * kMiB;  // of a process that speaks
constexpr std::size_t kStackBytes = std::size_t{128} << 10;
constexpr std::uint64_t kSecond = 1000000000;  // ns
constexpr std::uint64_t kEarlyWarning = 60;    // s that a forecast must leave to raise the level

constinit std::atomic<int> running_in{0};  // the process whose monitor runs, or started to
constinit std::atomic<int> simulated{-1};
constinit std::atomic<bool> was_critical{false};  // in this process, as far as it spoke
enum Farewell : std::uint32_t { kNone, kAsked, kSaid };
constinit std::atomic<std::uint32_t> farewell{kNone};
constinit Lock reading_lock;  // read_limits() has one reader at a time
constinit Lock snapshot_lock;
constinit libmempool_snapshot last_snapshot = {};

struct Seen {
  std::size_t handed_out = 0;  // when it began
  Reading reading;
};

/// Again where much was handed out or freed meanwhile, a few times: how much of that it saw is not to be told.
Seen read_limits() noexcept {
  Guard const guard{reading_lock};
  Seen seen;
  for (int attempts = guard ? 4 : 0; attempts != 0; --attempts) {
    seen.handed_out = pressure::handed_out_now();
    seen.reading = pressure::read_limits();
    std::size_t const after = pressure::handed_out_now();
    if (std::max(after, seen.handed_out) - std::min(after, seen.handed_out) < kMiB) break;
  }
  return seen;
}

void note(Seen const& seen, bool room_may_grow) noexcept {
  Reading const& reading = seen.reading;
  figures.limit_bytes.store(reading.limit == pressure::kNoLimit ? 0 : reading.limit, std::memory_order_relaxed);
  std::memcpy(figures.limit_source, reading.source, sizeof figures.limit_source);
  if (reading.resident > figures.peak_resident.load(std::memory_order_relaxed))
    figures.peak_resident.store(reading.resident, std::memory_order_relaxed);
  figures.samples.fetch_add(1, std::memory_order_relaxed);
  pressure::note_headroom(seen.handed_out, reading.is_finite() ? reading.headroom() : SIZE_MAX,
                          pressure::headroom_to_hard_limit(reading), room_may_grow);
}

std::uint64_t heap_live() noexcept { return pools::totals().live_bytes + fallback::live_bytes(); }
std::uint64_t heap_kept() noexcept { return pools::kept_bytes() + fallback::kept_bytes(); }

pressure::Policy policy_of_options() noexcept {
  return {options::value(Opt::warning), options::value(Opt::critical), options::value(Opt::emergency)};
}

/// What snapshot and event tell alike.
void fill(libmempool_snapshot& into, Reading const& reading) noexcept {
  into.size = sizeof into;
  into.limit = reading.limit;
  into.usage = reading.usage;
  into.resident = reading.resident;
  into.heap_live = heap_live();
  into.heap_kept = heap_kept();
  into.given_back = figures.discarded_bytes.load(std::memory_order_relaxed);
  into.looks = figures.samples.load(std::memory_order_relaxed);
  std::memcpy(into.source, reading.source, sizeof reading.source);
}

/// How often a heap's budget is to be halved: once more at each second or longer look at which the program had asked
/// that heap for less than the budget.
class Quiet {
 public:
  unsigned step(std::size_t supplied, std::size_t budget) noexcept {
    halvings_ = supplied - before_ < budget ? std::min(halvings_ + 1, 31u) : 0;
    before_ = supplied;
    return halvings_;
  }
  unsigned halvings() const noexcept { return halvings_; }

 private:
  std::size_t before_ = 0;
  unsigned halvings_ = 0;
};

/// What may be kept without use, between warnings: the budgets while the program works, less and less when it does not.
class Decay {
 public:
  void step(std::uint64_t now_ns) noexcept {
    if (now_ns - before_ns_ < kSecond) return;
    before_ns_ = now_ns;
    if (pools_.step(pools::totals().supplied_bytes, pools::keep_budget()) != 0) pools::forget(1);
    pools::take_spares_of_idle_threads();
    if (fallback_.step(fallback::supplied_bytes(), fallback::keep_budget()) != 0) fallback::forget_half();
    settle();
  }
  void settle() noexcept {
    pools::settle(pools_.halvings());
    fallback::settle(fallback_.halvings());
  }

 private:
  std::uint64_t before_ns_ = 0;
  Quiet pools_, fallback_;
};

/// Which lines are written. A change of level always, but for a level below critical that flaps; that a level lasts,
/// from once a minute to once in a quarter of an hour; sixty lines an hour beside the changes.
class Temper {
 public:
  bool allows_change(bool is_grave, std::uint64_t now_ns) noexcept {
    refill(now_ns);
    repeat_ns_ = 60 * kSecond;
    said_ns_ = now_ns;
    if (changes_ == 0) return is_grave || leave_out();
    --changes_;
    return true;
  }
  bool allows_repeat(std::uint64_t now_ns) noexcept {
    if (now_ns - said_ns_ < repeat_ns_) return false;
    said_ns_ = now_ns;
    repeat_ns_ = std::min(repeat_ns_ * 2, 900 * kSecond);
    return allows_other(now_ns);
  }
  bool allows_other(std::uint64_t now_ns) noexcept {
    refill(now_ns);
    if (others_ == 0) return leave_out();
    --others_;
    return true;
  }
  std::uint64_t take_left_out() noexcept {
    std::uint64_t const n = left_out_;
    left_out_ = 0;
    return n;
  }

 private:
  static constexpr unsigned kMostChanges = 6, kMostOthers = 60;

  bool leave_out() noexcept {
    ++left_out_;
    return false;
  }
  void refill(std::uint64_t now_ns) noexcept {
    for (; changes_ < kMostChanges && now_ns - changes_ns_ >= 10 * kSecond; changes_ns_ += 10 * kSecond) ++changes_;
    if (changes_ == kMostChanges) changes_ns_ = now_ns;
    for (; others_ < kMostOthers && now_ns - others_ns_ >= 60 * kSecond; others_ns_ += 60 * kSecond) ++others_;
    if (others_ == kMostOthers) others_ns_ = now_ns;
  }

  unsigned changes_ = kMostChanges, others_ = kMostOthers;
  std::uint64_t changes_ns_ = 0, others_ns_ = 0, said_ns_ = 0, repeat_ns_ = 60 * kSecond, left_out_ = 0;
};

/// What giving back costs at most: a twentieth of one core, over a minute. What holders do is their own.
class Effort {
 public:
  bool is_spent(std::uint64_t now_ns) noexcept {
    if (now_ns - since_ns_ >= 60 * kSecond) {
      since_ns_ = now_ns;
      spent_ns_ = 0;
    }
    return spent_ns_ >= 3 * kSecond;
  }
  void add(std::uint64_t ns) noexcept { spent_ns_ += ns; }

 private:
  std::uint64_t since_ns_ = 0, spent_ns_ = 0;
};

class Watcher {
 public:
  /// A file that stays open for the thread's life is none where the program may close it and use its number.
  explicit Watcher(bool has_own_descriptors) noexcept {
    if (has_own_descriptors) stalls_.open();
  }
  ~Watcher() { stalls_.close(); }

  void settle() noexcept { decay_.settle(); }
  std::size_t left_for_growth() const noexcept { return left_for_growth_; }

  /// One look, and what follows from it, and the rest until the next. False: the thread is to end.
  bool turn() noexcept {
    std::uint32_t const asked = pressure::looks_asked_for();
    Seen const seen = read_limits();
    handed_out_ = seen.handed_out;
    Reading const& reading = seen.reading;
    // A program may end its first thread and go on in others; the last one to end ends the process, and waits for this.
    bool const is_over = pressure::live_threads() == 0;
    if (is_over) end_caller();
    if (reading.resident == 0) {  // no /proc: nothing is known, and nothing said
      pressure::set_tight(false);
      if (!is_over) rest(options::number(Opt::interval));
      return !is_over;
    }
    std::uint64_t const now = os::monotonic_ns();
    std::uint64_t const ms = (now - before_ns_) / 1000000;
    std::uint64_t const rate =
        before_ns_ != 0 && ms != 0 && reading.usage > before_ ? (reading.usage - before_) * 1000 / ms : 0;
    before_ = reading.usage;
    before_ns_ = now;
    forecast_.add(now, reading.usage);
    note(seen, pressure::is_awaited(asked));
    pressure::answer(asked);
    std::int64_t pause = options::number(Opt::interval);
    if (reading.limit != pressure::kNoLimit) pause = judge(reading, now, rate, pause);
    // One look tells no rate, and most programs grow when they are young: the looks' distance grows with their age.
    auto const age = static_cast<std::int64_t>((now - began_ns_) / 1000000);
    pause = std::min(pause, kSecondLook + age / 4);
    if (farewell.load(std::memory_order_acquire) == kAsked) say_the_end(reading);
    publish(reading);
    decay_.step(now);
    if (is_over || has_long_been_alone(reading, now)) {
      // Due again where a quarter of what is left until the warning is used.
      left_for_growth_ = reading.is_finite() ? policy_.to_next_threshold(reading.usage, reading.limit) / 4 : kMatters;
      return false;
    }
    if (looks_of_trip_ > 1) {
      --looks_of_trip_;
      os::nap(kAfterTripwire);
      return true;
    }
    if (looks_of_trip_ == 1) pause = std::min(pause, kShortestLook);
    looks_of_trip_ = 0;
    if (rest(pause)) begin_trip();
    return true;
  }

 private:
  /// The tripwire fired: looks one after the other, ever fewer where it fires again and again and nothing comes of it.
  void begin_trip() noexcept {
    std::uint64_t const now = os::monotonic_ns();
    bool const was_in_vain = level_ == level_at_trip_ && now - tripped_ns_ < 10 * kSecond;
    looks_a_trip_ = was_in_vain ? std::max(looks_a_trip_ / 2, 1u) : kLooksAfterTripwire;
    looks_of_trip_ = looks_a_trip_;
    level_at_trip_ = level_;
    tripped_ns_ = now;
  }

  /// The level, and what it calls for; the time until the next look.
  std::int64_t judge(Reading const& reading, std::uint64_t now, std::uint64_t rate, std::int64_t pause) noexcept {
    if (limit_ != 0 && limit_ != reading.limit && all_limits_ != reading.all_limits)
      say_of(Event::Kind::new_limit, reading, limit_);
    limit_ = reading.limit;
    all_limits_ = reading.all_limits;
    if (std::size_t const bytes = pressure::take_oversized(); bytes > reading.headroom() && reading.is_finite())
      say_of(Event::Kind::oversized, reading, bytes);

    Level const was = level_;
    pressure::Look look{now, reading.usage, reading.limit, looks_of_trip_ != 0, Level::normal};
    look.at_least = other_signals(reading);
    level_ = policy_.step(look);
    if (int const asked = simulated.load(std::memory_order_relaxed); asked >= 0) {
      level_ = static_cast<Level>(asked);
      cause_ = "simulated";
    }
    bool const has_share = reading.resident >= reading.usage / 4;
    pressure::set_tight(level_ >= Level::critical && has_share && options::number(Opt::trim) == 1);
    if (level_ != was)
      on_change(was, reading, now);
    else if (level_ != Level::normal)
      on_same_level(reading, now);
    if (level_ > Level::normal && (level_ > was || is_worth_another_pass(reading))) relieve(was, reading, now);

    pause = policy_.next_look_ms(reading.usage, reading.limit, rate, pause);
    std::uint64_t ahead = policy_.to_next_threshold(reading.usage, reading.limit);
    // A throttle is to be told before it is reached; afterwards it is the limit that counts.
    pressure::Bound const& throttle = reading.throttle;
    if (throttle.limit != pressure::kNoLimit && throttle.headroom() != 0) {
      pause = policy_.next_look_ms(throttle.usage, throttle.limit, rate, pause);
      ahead = std::min(ahead, policy_.to_next_threshold(throttle.usage, throttle.limit));
    }
    // Close to a threshold, or beyond the last, while nothing grows: ever more seldom. The tripwire is set.
    bool const grows = rate > reading.smallest() / 1000;
    patience_ = grows || level_ != was ? kShortestLook : std::min(patience_ * 2, options::number(Opt::interval));
    pause = policy_.awaits_second_look() ? kShortestLook : std::max(pause, patience_);
    // Pages are charged when they are touched, which may be long after they were handed out.
    if (level_ > was) looks_of_trip_ = 0;
    if (looks_of_trip_ <= 1) {
      // So close that it may be crossed by any growth: at the next one, unless looks of that kind were in vain lately.
      std::uint64_t const close = charged_ahead();
      std::size_t const allowed = ahead > close ? ahead - close : looks_a_trip_ > 1 ? 0 : ahead;
      pressure::wake_at(allowed < SIZE_MAX / 2 ? handed_out_ + allowed : SIZE_MAX);
    }
    return pause;
  }

  /// Whether the program's one thread has been alone with this one, all well and nobody registered, for twelve
  /// intervals: a minute. A second thread is what unshare(2) and the like refuse.
  /// The peak is what tells of growth afterwards: of a program that was much larger once it does not.
  bool has_long_been_alone(Reading const& reading, std::uint64_t now) noexcept {
    std::uint64_t const ahead = policy_.to_next_threshold(reading.usage, reading.limit);
    bool const peak_will_tell = !reading.is_finite() || os::peak_resident() < reading.resident + ahead / 2;
    bool const may_end = peak_will_tell && level_ == Level::normal && options::number(Opt::monitor) != 1 &&
                         !anyone_is_registered() && simulated.load(std::memory_order_relaxed) < 0 &&
                         os::thread_count() == 2;
    if (!may_end) alone_since_ = now;
    return now - alone_since_ >= 12 * static_cast<std::uint64_t>(options::number(Opt::interval)) * 1000000;
  }

  /// What raises the level although usage does not, and why.
  Level other_signals(Reading const& reading) noexcept {
    cause_ = looks_of_trip_ != 0 ? "tripwire" : "look";
    Level at_least = stalls_.are_of(reading) ? stalls_.look() : Level::normal;
    // Of a machine whose other programs thrash each of them would warn else.
    if (reading.usage < reading.limit / 2) at_least = Level::normal;
    // What usage has reached by itself is not said for anything else: the line has to name the limit that kills.
    Level const reached = policy_.reached_by(reading.usage, reading.limit);
    if (at_least <= reached && reached != Level::normal) return at_least;
    if (at_least != Level::normal) cause_ = "stalls";
    pressure::Bound const& throttle = reading.throttle;
    if (at_least == Level::normal && throttle.limit != pressure::kNoLimit &&
        policy_.reached_by(throttle.usage, throttle.limit) != Level::normal) {
      at_least = Level::warning;
      cause_ = "throttle";
    }
    // Early, but not so early that every compiler that will be content with half the limit is taken for a leak.
    if (at_least == Level::normal &&
        reading.usage >= pressure::threshold_bytes(options::value(Opt::warning), reading.limit) / 8 * 7 &&
        forecast_.seconds_left(reading.limit) < kEarlyWarning) {
      at_least = Level::warning;
      cause_ = "forecast";
    }
    return at_least;
  }

  void on_change(Level was, Reading const& reading, std::uint64_t now) noexcept {
    transitions_++;
    if (level_ < was && given_ >= kWorthALine && speaks(reading)) say_what_was_given_back(was, reading, now);
    if (level_ > was)
      (level_ == Level::warning ? figures.warnings : figures.criticals).fetch_add(1, std::memory_order_relaxed);
    // Said before anything is given back: the line must be out should that take too long.
    if (level_ >= Level::critical && cause_ != "simulated" && speaks(reading))
      was_critical.store(true, std::memory_order_relaxed);
    if (speaks(reading) && temper_.allows_change(level_ > was && level_ >= Level::critical, now))
      say_event(event_of(level_ > was ? Event::Kind::entered : Event::Kind::left, was, reading));
    publish(reading);
    post_change(static_cast<int>(was), snapshot());
  }

  void on_same_level(Reading const& reading, std::uint64_t now) noexcept {
    if (speaks(reading) && temper_.allows_repeat(now)) say_event(event_of(Event::Kind::stays, level_, reading));
  }

  /// A level that stays is no reason to do it all again: only where the last pass brought something, or usage rose.
  bool is_worth_another_pass(Reading const& reading) const noexcept {
    return last_given_ >= reading.limit / 100 || reading.usage >= relieved_at_ + reading.limit / 50;
  }

  void relieve(Level was, Reading const& reading, std::uint64_t now) noexcept {
    if (options::number(Opt::trim) == 0) return;
    // Where others hold nearly all of what is used, nothing of ours would help.
    bool const has_share = reading.resident >= reading.usage / 4 ||
                           (cause_ == "throttle" && reading.resident >= reading.throttle.usage / 4);
    if (!has_share && simulated.load(std::memory_order_relaxed) < 0) return;
    relieved_at_ = reading.usage;
    std::uint64_t const began = os::monotonic_ns();
    std::size_t given = give_back_within_effort();
    std::uint64_t const wanted = wanted_at(reading);
    if (given < wanted && anyone_is_registered()) {
      publish(reading);  // what a holder reads that hears of it by the epoch
      next_epoch();
      int const last = level_ >= Level::critical ? LIBMEMPOOL_DESTRUCTIVE : LIBMEMPOOL_IDLE;
      std::size_t asked = 0;
      for (int pass = LIBMEMPOOL_BENIGN; pass <= last && given + asked < wanted; ++pass)
        asked += ask_holders(wanted - given - asked, pass, static_cast<int>(level_), kPatience);
      // What holders free goes to thread caches and slabs first.
      if (asked != 0) given += std::max(give_back_within_effort(), asked);
    }
    std::uint64_t const took = os::monotonic_ns() - began;
    last_given_ = given;
    given_ += given;
    took_ns_ += took;
    if (!speaks(reading)) return;
    if (given >= kWorthALine) {
      if (level_ > was || now - gave_back_said_ns_ >= 60 * kSecond) say_what_was_given_back(was, reading, now);
    } else if (level_ >= Level::critical && !said_exhausted_ && ask_usage(nullptr, 0).sum < kWorthALine) {
      said_exhausted_ = true;
      if (temper_.allows_other(now)) say_event(event_of(Event::Kind::exhausted, was, reading));
    }
  }

  /// At a new level, and once a minute: a cache that lives at its limit gives back all the time.
  void say_what_was_given_back(Level was, Reading const& reading, std::uint64_t now) noexcept {
    Event event = event_of(Event::Kind::gave_back, was, reading);
    event.given_back = given_;
    event.took_ms = took_ns_ / 1000000;
    given_ = took_ns_ = 0;
    gave_back_said_ns_ = now;
    if (temper_.allows_other(now)) say_event(event);
  }

  std::size_t give_back_within_effort() noexcept {
    std::uint64_t const began = os::monotonic_ns();
    if (effort_.is_spent(began)) return 0;
    std::size_t const given = give_back();
    effort_.add(os::monotonic_ns() - began);
    return given;
  }

  /// Bytes from here to where the level would be left.
  std::uint64_t wanted_at(Reading const& reading) const noexcept {
    if (simulated.load(std::memory_order_relaxed) >= 0) return reading.resident;
    pressure::Bound const& bound = cause_ == "throttle" ? reading.throttle : reading;
    std::uint64_t goal = pressure::threshold_bytes(options::value(Opt::warning), bound.limit);
    goal -= std::min(goal, bound.limit / 20);
    return bound.usage > goal ? bound.usage - goal : 0;
  }

  Event event_of(Event::Kind kind, Level was, Reading const& reading) noexcept {
    Event event;
    event.kind = kind;
    event.level = level_;
    event.was = was;
    event.cause = cause_;
    event.bound = cause_ == "throttle" ? reading.throttle : reading;
    event.resident = reading.resident;
    event.heap_live = heap_live();
    event.heap_kept = heap_kept();
    event.growth = forecast_.rate();
    event.seconds_left = forecast_.seconds_left(reading.usage + event.bound.headroom());
    ask_usage(event.largest, Event::kNamed);
    pools::largest_classes(event.classes, Event::kClasses);
    if (stalls_.are_of(reading)) {
      stalls_.read_shares();
      event.some_permille = stalls_.some_permille();
      event.full_permille = stalls_.full_permille();
    }
    return event;
  }

  void say_of(Event::Kind kind, Reading const& reading, std::uint64_t bytes) noexcept {
    if (!speaks(reading) || !temper_.allows_other(os::monotonic_ns())) return;
    Event event = event_of(kind, level_, reading);
    event.bytes = bytes;
    say_event(event);
  }

  void say_the_end(Reading const& reading) noexcept {
    Event event = event_of(Event::Kind::ended, level_, reading);
    event.bytes = figures.peak_resident.load(std::memory_order_relaxed);
    event.warnings = figures.warnings.load(std::memory_order_relaxed);
    event.criticals = figures.criticals.load(std::memory_order_relaxed);
    event.given_back = figures.discarded_bytes.load(std::memory_order_relaxed);
    say_event(event);
    farewell.store(kSaid, std::memory_order_release);
    os::wake_all(reinterpret_cast<const std::uint32_t*>(&farewell));
  }

  void say_event(Event event) noexcept {
    event.sequence = ++lines_;
    event.suppressed = temper_.take_left_out();
    say(event);
  }

  /// Whether the process matters enough to be heard: of a thousand small ones under one limit each would speak else.
  /// What a worker shares with the parent that forked it is the parent's to tell.
  static bool speaks(Reading const& reading) noexcept {
    if (simulated.load(std::memory_order_relaxed) >= 0) return true;
    std::uint64_t const shared = pressure::inherited_resident();
    std::uint64_t const own = reading.resident > shared ? reading.resident - shared : 0;
    if (own >= kMatters && own >= reading.smallest() / 20) return true;
    return shared == 0 && os::is_first_of_its_namespace();
  }

  void publish(Reading const& reading) noexcept {
    libmempool_snapshot fresh{};
    fill(fresh, reading);
    fresh.level = static_cast<int>(level_);
    fresh.is_simulated = simulated.load(std::memory_order_relaxed) >= 0;
    fresh.growth = forecast_.rate();
    fresh.seconds_left = reading.limit == pressure::kNoLimit ? UINT64_MAX : forecast_.seconds_left(reading.limit);
    fresh.transitions = transitions_;
    if (anyone_is_registered()) fresh.held = ask_usage(nullptr, 0).sum;
    Guard const guard{snapshot_lock};
    if (guard) last_snapshot = fresh;
  }

  /// Sleeps; what the program's threads left to do is done meanwhile. True where the tripwire ended it.
  bool rest(std::int64_t pause_ms) noexcept {
    std::uint64_t const end = os::monotonic_ns() + static_cast<std::uint64_t>(pause_ms) * 1000000;
    for (std::uint64_t now = os::monotonic_ns(); now < end; now = os::monotonic_ns()) {
      pressure::Woken const woken = pressure::sleep(static_cast<int>((end - now + 999999) / 1000000));
      if (woken.by_work) {
        if (!woken.by_tripwire) os::nap(kReuse);
        decay_.settle();
      }
      if (woken.by_tripwire) return true;
    }
    return false;
  }

  pressure::Policy policy_ = policy_of_options();
  pressure::Forecast forecast_;
  Stalls stalls_;
  Decay decay_;
  Temper temper_;
  Effort effort_;
  Level level_ = Level::normal;
  std::string_view cause_ = "look";
  std::uint64_t before_ = 0, before_ns_ = 0, limit_ = 0, all_limits_ = 0, lines_ = 0, transitions_ = 0;
  std::uint64_t relieved_at_ = 0, last_given_ = 0, given_ = 0, took_ns_ = 0, gave_back_said_ns_ = 0;
  std::int64_t patience_ = kShortestLook;
  std::uint64_t const began_ns_ = os::monotonic_ns();
  std::uint64_t alone_since_ = began_ns_, left_for_growth_ = 0;
  unsigned looks_of_trip_ = 0, looks_a_trip_ = kLooksAfterTripwire;  // what is left of them; how many they were
  Level level_at_trip_ = Level::normal;
  std::uint64_t tripped_ns_ = 0;
  std::size_t handed_out_ = 0;
  bool said_exhausted_ = false;
};

void* run(void*) {
  os::name_thread("mempool");
  bool const has_own_descriptors = os::take_own_descriptors();
  pressure::monitor_is(os::thread_id());
  // Where addresses are limited, what waits for this thread would stand in the way of the program's own mmap.
  if (os::address_space_left() == SIZE_MAX) pressure::monitor_started();
  Watcher watcher{has_own_descriptors};
  while (watcher.turn()) {
  }
  // In this order, or a start would be lost, or undone, or what the program left to this thread.
  pressure::monitor_ends();
  running_in.store(0, std::memory_order_release);
  pressure::monitor_ended(watcher.left_for_growth());
  // Who registered since the last look found this monitor still there.
  if (anyone_is_registered()) pressure::start_due.store(true, std::memory_order_release);
  watcher.settle();
  return nullptr;
}

/// pressure::starter.
void start() noexcept {
  int const self = os::process_id();
  // Not in a vfork child, whose memory and flag are its parent's, and not in a young child yet: at a later slow path.
  if (self != pressure::known_process() || pressure::is_too_young()) {
    pressure::start_due.store(true, std::memory_order_relaxed);
    return;
  }
  if (running_in.exchange(self, std::memory_order_acquire) == self) return;
  if (pressure::is_fork_child()) {
    forget_parents_sink();
    was_critical.store(false, std::memory_order_relaxed);
    farewell.store(kNone, std::memory_order_relaxed);
  }
  if (anyone_is_registered()) start_caller();
  pressure::monitor_is(pressure::kOnItsWay);
  if (start_helper(run, kStackBytes)) return;
  // No thread can be had now: again when much more is in use.
  pressure::monitor_is(0);
  running_in.store(0, std::memory_order_relaxed);
  pressure::monitor_was_refused(kMatters);
}

void fork_prepare() noexcept {
  registry_fork_prepare();
  reading_lock.take_for_fork();
  snapshot_lock.take_for_fork();
}
void fork_parent() noexcept {
  snapshot_lock.release_after_fork();
  reading_lock.release_after_fork();
  registry_fork_parent();
}
void fork_child() noexcept {
  snapshot_lock.release_after_fork();
  reading_lock.release_after_fork();
  registry_fork_child();
}

/// The monitor looks into the registry though nobody is in there, and a child's threads may be the first to ask for a
/// look: no lock of these may be left behind by a thread that the child does not have.
void be_told_of_forks() noexcept {
  static constinit std::atomic<bool> is_told{false};
  if (!is_told.exchange(true, std::memory_order_relaxed)) os::call_at_fork(fork_prepare, fork_parent, fork_child);
}

/// Where the program asks for it itself. The thread that does is one of the program's, though it never allocated.
bool may_start() noexcept {
  if (pressure::starter.load(std::memory_order_acquire) == nullptr) return false;
  pools::attach();
  return true;
}

}  // namespace

void install() noexcept {
  prepare_helpers();
  be_told_of_forks();
  pressure::learn_single_threaded(static_cast<const char*>(libc_heap::program_symbol("__libc_single_threaded")));
  Seen const seen = read_limits();
  Reading const& reading = seen.reading;
  note(seen, true);  // also without a monitor: a request that does not fit reclaims by itself
  if (options::number(Opt::monitor) == 0) return;
  remember_log();
  remember_pressure_watch();
  pressure::learn_limit(reading.is_finite() || reading.throttle.limit != pressure::kNoLimit ? reading.smallest() : 0);
  pressure::starter.store(start, std::memory_order_release);
  // A constructor of the program's, run before this one, may have registered something.
  if (options::number(Opt::monitor) == 1 || anyone_is_registered())
    pressure::start_due.store(true, std::memory_order_relaxed);
}

void append_limit(Line& line) noexcept {
  Reading const reading = read_limits().reading;
  line.text(", limit ");
  if (reading.limit == pressure::kNoLimit)
    line.text("unknown");
  else
    line.size(reading.limit).text(" (").text(reading.source).text(")");
  if (reading.is_unreadable) line.text(" and another that cannot be read");
}

libmempool_snapshot snapshot() noexcept {
  if (running_in.load(std::memory_order_relaxed) == os::process_id()) {
    Guard const guard{snapshot_lock};
    if (guard && last_snapshot.looks != 0) return last_snapshot;
  }
  libmempool_snapshot fresh{};
  Reading const reading = read_limits().reading;
  fill(fresh, reading);
  int const asked = simulated.load(std::memory_order_relaxed);
  if (reading.limit != pressure::kNoLimit)
    fresh.level = static_cast<int>(policy_of_options().reached_by(reading.usage, reading.limit));
  if (asked >= 0) fresh.level = asked;
  fresh.is_simulated = asked >= 0;
  fresh.seconds_left = UINT64_MAX;
  fresh.looks = 0;
  return fresh;
}

void start_for_registration() noexcept {
  be_told_of_forks();
  if (!may_start()) return;
  start_caller();
  start();
}

void say_farewell() noexcept {
  if (running_in.load(std::memory_order_relaxed) != os::process_id() || !was_critical.load(std::memory_order_relaxed))
    return;
  farewell.store(kAsked, std::memory_order_release);
  pressure::wake_monitor_to_look();
  std::uint64_t const end = os::monotonic_ns() + kFarewell * 1000000u;
  for (std::uint64_t now = os::monotonic_ns(); now < end && farewell.load(std::memory_order_acquire) == kAsked;
       now = os::monotonic_ns())
    os::wait(reinterpret_cast<const std::uint32_t*>(&farewell), kAsked,
             static_cast<int>((end - now + 999999) / 1000000));
}

void look_soon() noexcept {
  if (!may_start()) return note(read_limits(), true);
  start();
  pressure::wake_monitor_to_look();
}

void simulate(int level) noexcept {
  simulated.store(level, std::memory_order_relaxed);
  look_soon();
}

std::size_t give_back() noexcept {
  std::size_t const kept = fallback::kept_bytes();
  std::size_t const discarded = pools::trim();
  fallback::trim();
  std::size_t const left = fallback::kept_bytes();
  return discarded + (kept > left ? kept - left : 0);
}

}  // namespace mempool::monitor
