/* Scenes of the C interface, mempool.h: one a process. Each prints what was wrong, and nothing where all was right.
 *
 * usage: api SCENE
 *
 * Compiled with -DLINKED the library is linked in, else it is preloaded and found by dlsym. No scene waits for a time:
 * what is to come is awaited, for so long that only what never comes fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"
#include "mempool/mempool.h"

#ifdef LINKED
#define lib(name) libmempool_##name
#else
#define lib(name) ((__typeof__(&libmempool_##name))find("libmempool_" #name))
static void* find(const char* name) {
  void* const found = dlsym(RTLD_DEFAULT, name);
  if (found == NULL) {
    printf("%s is not there\n", name);
    exit(2);
  }
  return found;
}
#endif

static char* touched(size_t bytes) {
  char* const block = malloc(bytes);
  if (block == NULL) return NULL;
  memset(block, 1, bytes);
  return kept = block;
}

static struct libmempool_snapshot snapshot(void) {
  struct libmempool_snapshot seen = {.size = sizeof seen};
  expect(lib(get_snapshot)(&seen) == 0);
  return seen;
}

/* By the monitor, which has said so by then. */
static int is_seen(int level) {
  struct libmempool_snapshot const seen = snapshot();
  return seen.looks != 0 && seen.level == level;
}

static size_t no_bytes(void* context) {
  (void)context;
  return 0;
}

/* -- Snapshot ------------------------------------------------------------------------------------------------------ */

/* Under MEMPOOL_LIMIT=256MiB. */
static void tells_what_is_used(void) {
  touched(40 * kMiB);
  long const holder = lib(register)("nothing", no_bytes, NULL, NULL);
  expect(holder > 0);
  await(snapshot().looks >= 2 && snapshot().resident > 40 * kMiB);
  struct libmempool_snapshot const seen = snapshot();
  expect(seen.size == sizeof seen);
  expect(seen.level == LIBMEMPOOL_NORMAL);
  expect(seen.is_simulated == 0);
  expect(seen.limit == (uint64_t)256 * kMiB);
  expect(strcmp(seen.source, "MEMPOOL_LIMIT") == 0);
  expect(seen.usage >= 40 * kMiB && seen.usage < 100 * kMiB);
  expect(seen.resident >= 40 * kMiB && seen.resident < 100 * kMiB);
  expect(seen.heap_live >= 40 * kMiB && seen.heap_live < 100 * kMiB);
  expect(seen.held == 0);
  expect(seen.transitions == 0);
  expect(lib(unregister)(holder) == 0);
}

static void fills_as_much_as_the_caller_knows(void) {
  unsigned char bytes[2 * sizeof(struct libmempool_snapshot)];
  struct libmempool_snapshot* const into = (struct libmempool_snapshot*)(void*)bytes;
  size_t const least = offsetof(struct libmempool_snapshot, level) + sizeof into->level;
  size_t const sizes[] = {least, least + 1, offsetof(struct libmempool_snapshot, source), sizeof *into, sizeof bytes};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    size_t const known = sizes[i] < sizeof *into ? sizes[i] : sizeof *into;
    memset(bytes, 0xa5, sizeof bytes);
    into->size = sizes[i];
    expect(lib(get_snapshot)(into) == 0);
    expect(into->size == known);
    expect(into->level == LIBMEMPOOL_NORMAL);
    if (known == sizeof *into) expect(into->limit != 0 && into->source[0] != (char)0xa5);
    for (size_t at = known; at < sizeof bytes; ++at)
      if (bytes[at] != 0xa5) {
        expect(!"bytes beyond the size are left alone");
        break;
      }
  }
  size_t const too_small[] = {0, 1, least - 1};
  for (size_t i = 0; i < sizeof too_small / sizeof *too_small; ++i) {
    memset(bytes, 0xa5, sizeof bytes);
    into->size = too_small[i];
    expect(lib(get_snapshot)(into) == EINVAL);
    expect(into->size == too_small[i] && bytes[sizeof(size_t)] == 0xa5);
  }
  expect(lib(get_snapshot)(NULL) == EINVAL);
}

/* Under MEMPOOL_MONITOR=0 and MEMPOOL_LIMIT=64MiB. */
static void looks_itself_where_no_monitor_runs(void) {
  expect(snapshot().level == LIBMEMPOOL_NORMAL);
  touched(61 * kMiB);
  struct libmempool_snapshot const seen = snapshot();
  expect(seen.looks == 0);
  expect(seen.resident >= 61 * kMiB);
  expect(seen.level >= LIBMEMPOOL_CRITICAL);
  expect(lib(simulate)(LIBMEMPOOL_WARNING) == 0);
  expect(snapshot().level == LIBMEMPOOL_WARNING && snapshot().is_simulated == 1);
  expect(lib(simulate)(-1) == 0);
  expect(snapshot().level >= LIBMEMPOOL_CRITICAL && snapshot().is_simulated == 0);
  errno = 0;
  expect(lib(on_pressure)((libmempool_listener)(void*)no_bytes, NULL) == 0 && errno == EPERM);
  long const holder = lib(register)("never asked", no_bytes, NULL, NULL);
  expect(holder > 0);
  expect(lib(unregister)(holder) == 0);
}

/* -- Listeners ----------------------------------------------------------------------------------------------------- */

static struct {
  int before, after, is_simulated;
  size_t size;
  pid_t process, thread;
} told[64];
static atomic_uint told_count;

static void note_change(int before, const struct libmempool_snapshot* at, void* context) {
  (void)context;
  unsigned const n = told_count;
  if (n == sizeof told / sizeof *told) return;
  told[n].before = before;
  told[n].after = at->level;
  told[n].is_simulated = at->is_simulated;
  told[n].size = at->size;
  told[n].process = getpid();
  told[n].thread = (pid_t)syscall(SYS_gettid);
  told_count = n + 1;
}

static void is_told_of_a_round_trip(void) {
  int context = 0;
  long const listener = lib(on_pressure)(note_change, &context);
  expect(listener > 0);
  int const levels[] = {LIBMEMPOOL_WARNING, LIBMEMPOOL_CRITICAL, LIBMEMPOOL_EMERGENCY, LIBMEMPOOL_NORMAL};
  uint64_t const transitions = snapshot().transitions;
  for (unsigned i = 0; i < 4; ++i) {
    expect(lib(simulate)(levels[i]) == 0);
    await(told_count == i + 1);
    expect(told[i].before == (i == 0 ? LIBMEMPOOL_NORMAL : levels[i - 1]));
    expect(told[i].after == levels[i]);
    expect(told[i].is_simulated == 1);
    expect(told[i].size == sizeof(struct libmempool_snapshot));
    expect(told[i].thread != getpid() && told[i].thread == told[0].thread);
    expect(snapshot().level == levels[i] && snapshot().is_simulated == 1);
  }
  expect(snapshot().transitions == transitions + 4);
  expect(lib(simulate)(-1) == 0);
  await(snapshot().is_simulated == 0);
  expect(told_count == 4);
  expect(lib(unregister)(listener) == 0);
}

static atomic_int done;

static void* use_all(void* unused) {
  (void)unused;
  for (size_t size = 16; size <= 8 * kMiB; size *= 2) free(touched(size));
  long const holder = lib(register)("for a moment", no_bytes, NULL, NULL);
  expect(holder > 0);
  struct libmempool_snapshot seen = {.size = sizeof seen};
  expect(lib(get_snapshot)(&seen) == 0);
  lib(trim)();
  expect(lib(unregister)(holder) == 0);
  return NULL;
}

/* A lock of the library's that were held here would stop this thread or the other one. */
static void do_everything(int before, const struct libmempool_snapshot* at, void* context) {
  (void)before, (void)at;
  use_all(NULL);
  pthread_t other;
  expect(pthread_create(&other, NULL, use_all, NULL) == 0);
  expect(pthread_join(other, NULL) == 0);
  expect(lib(unregister)(*(long*)context) == 0);
  expect(lib(unregister)(*(long*)context) == ENOENT);
  ++done;
}

static void is_told_with_no_lock_held(void) {
  long first = 0;
  first = lib(on_pressure)(do_everything, &first);
  long const second = lib(on_pressure)(note_change, NULL);
  expect(lib(simulate)(LIBMEMPOOL_CRITICAL) == 0);
  await(told_count == 1);
  expect(done == 1);
  expect(lib(simulate)(LIBMEMPOOL_NORMAL) == 0);
  await(told_count == 2);
  expect(done == 1); /* it unregistered itself */
  expect(lib(unregister)(first) == ENOENT);
  expect(lib(unregister)(second) == 0);
  expect(lib(simulate)(LIBMEMPOOL_WARNING) == 0);
  await(snapshot().level == LIBMEMPOOL_WARNING);
  expect(told_count == 2);
}

/* -- Holders ------------------------------------------------------------------------------------------------------- */

struct holder {
  size_t bytes;
  size_t gives;
  int is_busy;
};
static struct {
  struct holder* of;
  struct libmempool_request request;
} asked[256];
static atomic_uint asked_count;
static atomic_int in_call, may_leave, has_left;

static size_t held_bytes(void* context) { return ((struct holder*)context)->bytes; }

static size_t give(const struct libmempool_request* request, void* context) {
  struct holder* const of = context;
  unsigned const n = asked_count;
  if (n < sizeof asked / sizeof *asked) {
    asked[n].of = of;
    asked[n].request = *request;
    asked_count = n + 1;
  }
  if (of->is_busy) {
    in_call = 1;
    while (!may_leave) usleep(1000);
    usleep(20000); /* who does not wait is gone by then */
    has_left = 1;
  }
  return of->gives < request->bytes ? of->gives : request->bytes;
}

/* The first calls at this level: passes 0 to `last`, in each the larger holder before the smaller. */
static void expect_passes(int level, int last, struct holder* larger, struct holder* smaller) {
  unsigned const wanted = 2 * ((unsigned)last + 1);
  unsigned at = 0;
  for (double const end = now() + kPatience; now() < end; usleep(1000)) {
    for (at = 0; at < asked_count && asked[at].request.level != level; ++at) {
    }
    if (asked_count >= at + wanted) break;
  }
  expect(asked_count >= at + wanted);
  for (unsigned i = 0; i < wanted && at + i < asked_count; ++i) {
    struct libmempool_request const* const got = &asked[at + i].request;
    expect(asked[at + i].of == (i % 2 == 0 ? larger : smaller));
    expect(got->pass == (int)(i / 2));
    expect(got->level == level);
    expect(got->size == sizeof *got);
    expect(got->bytes > 0);
  }
}

static void is_asked_in_passes(void) {
  struct holder small = {.bytes = 10 * kMiB}, large = {.bytes = 60 * kMiB}, shy = {.bytes = 90 * kMiB};
  long const ids[] = {lib(register)("small", held_bytes, give, &small), lib(register)("large", held_bytes, give, &large),
                      lib(register)("shy", held_bytes, NULL, &shy)};
  for (int i = 0; i < 3; ++i) expect(ids[i] > 0);
  uint32_t const epoch = *lib(epoch)();
  expect(lib(simulate)(LIBMEMPOOL_WARNING) == 0);
  expect_passes(LIBMEMPOOL_WARNING, LIBMEMPOOL_IDLE, &large, &small);
  expect(*lib(epoch)() != epoch);
  expect(snapshot().held == 160 * kMiB);
  expect(lib(simulate)(LIBMEMPOOL_CRITICAL) == 0);
  expect_passes(LIBMEMPOOL_CRITICAL, LIBMEMPOOL_DESTRUCTIVE, &large, &small);
  for (unsigned i = 0; i < asked_count; ++i)
    expect(asked[i].request.level != LIBMEMPOOL_WARNING || asked[i].request.pass != LIBMEMPOOL_DESTRUCTIVE);
  for (int i = 0; i < 3; ++i) expect(lib(unregister)(ids[i]) == 0);
}

/* Who is given all that was wanted asks nobody else. */
static void is_asked_until_enough_was_given(void) {
  struct holder first = {.bytes = 60 * kMiB, .gives = SIZE_MAX}, second = {.bytes = 10 * kMiB};
  long const a = lib(register)("first", held_bytes, give, &first), b = lib(register)("second", held_bytes, give, &second);
  long const listener = lib(on_pressure)(note_change, NULL);
  expect(lib(simulate)(LIBMEMPOOL_CRITICAL) == 0);
  await(asked_count >= 1);
  expect(lib(simulate)(LIBMEMPOOL_NORMAL) == 0);
  await(told_count >= 2);
  for (unsigned i = 0; i < asked_count; ++i)
    expect(asked[i].of == &first && asked[i].request.pass == LIBMEMPOOL_BENIGN);
  expect(lib(unregister)(a) == 0 && lib(unregister)(b) == 0 && lib(unregister)(listener) == 0);
}

static void* unregister_it(void* id) {
  expect(lib(unregister)(*(long*)id) == 0);
  expect(has_left == 1);
  ++done;
  return NULL;
}

static void unregister_waits_for_a_call(void) {
  struct holder busy = {.bytes = 60 * kMiB, .is_busy = 1};
  long id = lib(register)("busy", held_bytes, give, &busy);
  expect(lib(simulate)(LIBMEMPOOL_WARNING) == 0);
  await(in_call == 1);
  pthread_t other;
  expect(pthread_create(&other, NULL, unregister_it, &id) == 0);
  usleep(50000);
  may_leave = 1;
  expect(pthread_join(other, NULL) == 0);
  expect(done == 1);
  unsigned const calls = asked_count;
  expect(lib(simulate)(LIBMEMPOOL_CRITICAL) == 0);
  await(snapshot().level == LIBMEMPOOL_CRITICAL);
  expect(asked_count == calls);
}

static long own_id;
static size_t give_for_the_last_time(const struct libmempool_request* request, void* context) {
  (void)request, (void)context;
  expect(lib(unregister)(own_id) == 0);
  ++done;
  return 0;
}

static void unregisters_itself_from_within(void) {
  struct holder holder = {.bytes = 60 * kMiB};
  own_id = lib(register)("once", held_bytes, give_for_the_last_time, &holder);
  expect(lib(simulate)(LIBMEMPOOL_CRITICAL) == 0);
  await(done == 1);
  long const listener = lib(on_pressure)(note_change, NULL);
  expect(lib(simulate)(LIBMEMPOOL_EMERGENCY) == 0);
  await(told_count == 1);
  expect(lib(simulate)(LIBMEMPOOL_NORMAL) == 0);
  await(told_count == 2);
  expect(done == 1);
  expect(lib(unregister)(own_id) == ENOENT);
  expect(lib(unregister)(listener) == 0);
}

/* The monitor looks, and says so, while a holder takes its time; the last change is told all the same. */
static void a_busy_holder_holds_nobody_up(void) {
  struct holder busy = {.bytes = 60 * kMiB, .is_busy = 1};
  long const holder = lib(register)("busy", held_bytes, give, &busy);
  long const listener = lib(on_pressure)(note_change, NULL);
  expect(lib(simulate)(LIBMEMPOOL_WARNING) == 0);
  await(in_call == 1);
  for (int level = LIBMEMPOOL_CRITICAL; level <= LIBMEMPOOL_EMERGENCY; ++level) {
    expect(lib(simulate)(level) == 0);
    await(snapshot().level == level);
  }
  expect(lib(simulate)(LIBMEMPOOL_NORMAL) == 0);
  await(snapshot().level == LIBMEMPOOL_NORMAL);
  unsigned const before = told_count;
  expect(before <= 1);
  may_leave = 1;
  await(told_count > before);
  unsigned const last = told_count - 1;
  expect(told[last].after == LIBMEMPOOL_NORMAL);
  expect(lib(unregister)(holder) == 0 && lib(unregister)(listener) == 0);
}

/* Exit does not wait for it. */
static void exits_while_a_holder_is_busy(void) {
  static struct holder busy = {.bytes = 60 * kMiB, .is_busy = 1};
  lib(register)("busy", held_bytes, give, &busy);
  lib(simulate)(LIBMEMPOOL_CRITICAL);
  await(in_call == 1);
}

static size_t usage_of(void* context) { return (size_t)(uintptr_t)context * kMiB; }

/* The line is the runner's to judge. */
static void names_the_largest(void) {
  const char* const names[] = {"one", "five", "two", "four", "three"};
  size_t const sizes[] = {10, 50, 20, 40, 30};
  for (int i = 0; i < 5; ++i)
    expect(lib(register)(names[i], usage_of, NULL, (void*)(uintptr_t)sizes[i]) > 0);
  expect(lib(simulate)(LIBMEMPOOL_WARNING) == 0);
  await(is_seen(LIBMEMPOOL_WARNING));
}

static void has_odd_names(void) {
  const char* const names[] = {"a \"quoted\"\\ one", "a tab\tand\na line\x01", "not utf-8: \xff\xc3\x28\xe2\x82 end"};
  for (int i = 0; i < 3; ++i) expect(lib(register)(names[i], usage_of, NULL, (void*)(uintptr_t)(10 + i)) > 0);
  for (int level = LIBMEMPOOL_WARNING; level <= LIBMEMPOOL_EMERGENCY; ++level) {
    expect(lib(simulate)(level) == 0);
    await(is_seen(level));
  }
  expect(lib(simulate)(LIBMEMPOOL_NORMAL) == 0);
  await(is_seen(LIBMEMPOOL_NORMAL));
}

/* -- The rest ------------------------------------------------------------------------------------------------------ */

static void refuses_bad_arguments(void) {
  char name[49];
  memset(name, 'n', sizeof name);
  name[48] = 0;
  errno = 0;
  expect(lib(register)(name, no_bytes, NULL, NULL) == 0 && errno == EINVAL);
  name[47] = 0;
  long const longest = lib(register)(name, no_bytes, NULL, NULL);
  expect(longest > 0);
  expect(lib(unregister)(longest) == 0);
  errno = 0;
  expect(lib(register)(NULL, no_bytes, NULL, NULL) == 0 && errno == EINVAL);
  errno = 0;
  expect(lib(register)("", no_bytes, NULL, NULL) == 0 && errno == EINVAL);
  errno = 0;
  expect(lib(register)("no usage", NULL, give, NULL) == 0 && errno == EINVAL);
  errno = 0;
  expect(lib(on_pressure)(NULL, NULL) == 0 && errno == EINVAL);
  long const wrong[] = {0, -1, longest, 1L << 40};
  for (int i = 0; i < 4; ++i) expect(lib(unregister)(wrong[i]) == ENOENT);
  expect(lib(simulate)(-2) == EINVAL && lib(simulate)(4) == EINVAL);
  expect(lib(set_limit)(1) == EINVAL && lib(set_limit)(kMiB - 1) == EINVAL);
  expect(snapshot().is_simulated == 0);
  long ids[256];
  for (int i = 0; i < 256; ++i) expect((ids[i] = lib(register)("one of many", no_bytes, NULL, NULL)) > 0);
  errno = 0;
  expect(lib(register)("too many", no_bytes, NULL, NULL) == 0 && errno == ENOSPC);
  errno = 0;
  expect(lib(on_pressure)(note_change, NULL) == 0 && errno == ENOSPC);
  for (int i = 0; i < 256; ++i) expect(lib(unregister)(ids[i]) == 0);
  expect(lib(unregister)(lib(on_pressure)(note_change, NULL)) == 0);
  expect(strstr(lib(version)(), "libmempool ") == lib(version)());
}

/* Under MEMPOOL_MONITOR=0: nobody else gives anything back. */
static void trims(void) {
  static char* blocks[30 * 1024];
  for (int i = 0; i < 30 * 1024; ++i) blocks[i] = touched(1000);
  for (int i = 0; i < 30 * 1024; ++i) free(blocks[i]);
  struct libmempool_snapshot const before = snapshot();
  size_t const given = lib(trim)();
  struct libmempool_snapshot const after = snapshot();
  expect(given >= 20 * kMiB && given <= 40 * kMiB);
  expect(after.resident + 20 * kMiB <= before.resident);
  expect(after.heap_kept + 20 * kMiB <= before.heap_kept);
  expect(after.given_back >= before.given_back + 20 * kMiB);
  lib(trim)();
  expect(lib(trim)() == 0);
}

static void sets_a_limit(void) {
  long const listener = lib(on_pressure)(note_change, NULL);
  touched(50 * kMiB);
  await(snapshot().looks >= 2);
  uint64_t const found = snapshot().limit;
  expect(lib(set_limit)(64 * kMiB) == 0);
  await(snapshot().limit == 64 * kMiB);
  expect(strcmp(snapshot().source, "MEMPOOL_LIMIT") == 0);
  touched(4 * kMiB);
  await(told_count >= 1 && told[0].after >= LIBMEMPOOL_WARNING && told[0].is_simulated == 0);
  expect(lib(set_limit)(0) == 0);
  await(snapshot().limit == found);
  expect(lib(unregister)(listener) == 0);
}

/* Nothing is registered, and nobody set a limit before: the line is the runner's to judge. */
static void is_warned_of_a_limit_that_it_set(void) {
  expect(lib(set_limit)(64 * kMiB) == 0);
  for (int i = 0; i < 56; ++i) touched(kMiB);
  await(is_seen(LIBMEMPOOL_WARNING) || is_seen(LIBMEMPOOL_CRITICAL));
}

static void simulates_with_nobody_registered(void) {
  expect(lib(simulate)(LIBMEMPOOL_WARNING) == 0);
  await(is_seen(LIBMEMPOOL_WARNING));
}

static int wait_for(pid_t child) {
  int status = -1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void a_child_keeps_the_registrations(void) {
  static struct holder busy = {.bytes = 60 * kMiB, .is_busy = 1};
  long const listener = lib(on_pressure)(note_change, NULL);
  long const holder = lib(register)("busy", held_bytes, give, &busy);
  expect(lib(simulate)(LIBMEMPOOL_WARNING) == 0);
  await(in_call == 1); /* the child is born while a call is under way, which does not exist there */
  unsigned const parents = told_count;
  pid_t const child = fork();
  if (child == 0) {
    alarm(2 * kPatience);
    double const born = now();
    expect(snapshot().resident != 0);
    expect(lib(unregister)(holder) == 0);
    expect(lib(simulate)(LIBMEMPOOL_EMERGENCY) == 0);
    for (double const end = now() + kPatience; told_count == parents && now() < end; usleep(1000)) free(touched(2 * kMiB));
    expect(told_count > parents);
    expect(now() - born >= 1);
    expect(told[told_count - 1].process == getpid());
    expect(told[told_count - 1].after == LIBMEMPOOL_EMERGENCY);
    expect(lib(unregister)(listener) == 0);
    fflush(stdout);
    _exit(problems != 0);
  }
  expect(wait_for(child) == 0);
  expect(told_count == parents); /* the child's level is its own */
  may_leave = 1;
  expect(lib(simulate)(LIBMEMPOOL_NORMAL) == 0);
  await(told_count > parents && told[told_count - 1].after == LIBMEMPOOL_NORMAL);
  expect(lib(unregister)(listener) == 0 && lib(unregister)(holder) == 0);
}

/* Children are born while another thread of the parent is in there: what that one held is free in them. */
static atomic_int forks_are_over;
static void* goes_on(void* of) {
  while (!forks_are_over) ((void (*)(void))of)();
  return NULL;
}
static void children_may_too(void (*call)(void)) {
  pthread_t thread;
  expect(pthread_create(&thread, NULL, goes_on, (void*)call) == 0);
  for (int i = 0; i < 40 && problems == 0; ++i) {
    pid_t const child = fork();
    if (child == 0) {
      alarm(kPatience);
      call();
      _exit(problems != 0);
    }
    expect(wait_for(child) == 0);
  }
  forks_are_over = 1;
  pthread_join(thread, NULL);
}
static void look(void) { snapshot(); }
static void a_child_of_a_look_may_look(void) { children_may_too(look); }
static void unregister_nothing(void) { expect(lib(unregister)(1 << 30) == ENOENT); }
static void a_child_may_register_though_nobody_did(void) { children_may_too(unregister_nothing); }

static int kernel_threads(void) { /* allocates nothing */
  char text[1024] = "";
  int const file = open("/proc/self/stat", O_RDONLY);
  ssize_t const length = read(file, text, sizeof text - 1);
  close(file);
  const char* field = length > 0 ? strrchr(text, ')') : NULL;
  for (int skipped = 2; field != NULL && skipped < 20; ++skipped) field = strchr(field + 1, ' ');
  return field != NULL ? atoi(field) : 0;
}
static void* is_left_alone(void* unused) {
  await(kernel_threads() == 2); /* the first one, which has ended, and this one */
  expect(lib(simulate)(LIBMEMPOOL_WARNING) == 0);
  await(told_count >= 1 && told[told_count - 1].after == LIBMEMPOOL_WARNING);
  printf("%s", problems != 0 ? "\n" : "");
  exit(problems != 0);
  return unused;
}
/* The last thread that had allocated ends, and with it what we run; another one goes on, and then allocates. */
static void is_told_in_a_thread_that_comes_late(void) {
  expect(lib(on_pressure)(note_change, NULL) != 0);
  pthread_t thread;
  expect(pthread_create(&thread, NULL, is_left_alone, NULL) == 0);
  pthread_exit(NULL);
}

static const struct {
  const char* name;
  void (*run)(void);
} scenes[] = {
#define scene(name) {#name, name}
    scene(tells_what_is_used), scene(fills_as_much_as_the_caller_knows), scene(looks_itself_where_no_monitor_runs),
    scene(is_told_of_a_round_trip), scene(is_told_with_no_lock_held), scene(is_asked_in_passes),
    scene(is_asked_until_enough_was_given), scene(unregister_waits_for_a_call), scene(unregisters_itself_from_within),
    scene(a_busy_holder_holds_nobody_up), scene(exits_while_a_holder_is_busy), scene(names_the_largest),
    scene(has_odd_names), scene(refuses_bad_arguments), scene(trims), scene(sets_a_limit),
    scene(is_warned_of_a_limit_that_it_set), scene(simulates_with_nobody_registered),
    scene(a_child_keeps_the_registrations), scene(a_child_of_a_look_may_look),
    scene(a_child_may_register_though_nobody_did), scene(is_told_in_a_thread_that_comes_late),
};

int main(int count, char** words) {
  for (size_t i = 0; count == 2 && i < sizeof scenes / sizeof *scenes; ++i)
    if (strcmp(words[1], scenes[i].name) == 0) {
      setvbuf(stdout, NULL, _IOLBF, 0);
      scenes[i].run();
      printf("%s", problems != 0 ? "\n" : "");
      return problems != 0;
    }
  fprintf(stderr, "usage: api SCENE\n");
  return 2;
}
