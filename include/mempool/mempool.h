/* libmempool's C interface. Every name begins with libmempool_ and is exported by libmempool.so and libmempool.a.
 *
 * What each may be called from stands under "safety". None may be called from a signal handler unless it says so. In a
 * fork child registrations and limits are the parent's, until the child changes them; calls are made there once the
 * child has a monitor of its own. Structs carry their size: set it to sizeof before the call. */
#ifndef MEMPOOL_MEMPOOL_H
#define MEMPOOL_MEMPOOL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The version this process runs: "libmempool 0.1.0 (commit abcdef123456)", what `strings` finds in the file.
 * @return  a string that lives as long as the process
 * @errors  none
 * @safety  any thread, signal handler, fork child
 */
const char* libmempool_version(void);

/* -- Pressure ------------------------------------------------------------------------------------------------------ */

/** How near the limit is. By default warning begins at 80 %, critical at 90 % and emergency at 97 % of it. */
enum libmempool_level {
  LIBMEMPOOL_NORMAL = 0,
  LIBMEMPOOL_WARNING = 1,
  LIBMEMPOOL_CRITICAL = 2,
  LIBMEMPOOL_EMERGENCY = 3
};

/** What the monitor saw when it last looked. Sizes in bytes. */
struct libmempool_snapshot {
  size_t size;           /* of this struct, set by the caller */
  int level;             /* enum libmempool_level */
  int is_simulated;      /* 1 after libmempool_simulate */
  uint64_t limit;        /* the nearest; UINT64_MAX: none was found */
  uint64_t usage;        /* of that limit, less what the kernel can drop */
  uint64_t resident;     /* this process's RSS */
  uint64_t heap_live;    /* blocks handed to the program, thread caches included */
  uint64_t heap_kept;    /* free, and not given back yet */
  uint64_t held;         /* the sum of what registered holders say they hold */
  uint64_t growth;       /* of usage, a second; 0 where it does not grow */
  uint64_t seconds_left; /* until the limit is reached at that rate; UINT64_MAX: not to be told */
  uint64_t given_back;   /* so far, by the monitor and by threads */
  uint64_t transitions;  /* from one level to another, so far */
  uint64_t looks;        /* so far; 0: there is no monitor, or it has not looked yet */
  char source[128];      /* whose limit it is: "cgroup /a/b", "MEMPOOL_LIMIT", "physical memory", ... */
};

/**
 * What the monitor saw when it last looked. Looks itself where there is no monitor.
 * @param   into  its size member set; filled as far as that goes
 * @return  0, or EINVAL where size is too small to hold `level`
 * @safety  any thread. Cost: a lock and a copy; some file reads where no monitor runs
 */
int libmempool_get_snapshot(struct libmempool_snapshot* into);

/**
 * Called when the level changes, with the level before and what is there now; in a thread of libmempool's own, one call
 * at a time, no lock of ours held: it may allocate, register and unregister. It must not throw. Calls that would come
 * later than the next change are left out, so the last one always tells the present level.
 */
typedef void (*libmempool_listener)(int level_before, const struct libmempool_snapshot* now, void* context);

/**
 * Registers a listener, and starts the monitor where it may be started at all (MEMPOOL_MONITOR is not 0).
 * @return  a registration, or 0 with errno set: EINVAL (null), ENOSPC (256 are registered), EPERM (MEMPOOL_MONITOR=0)
 * @safety  any thread. Cost: a lock; the first one starts a thread
 */
long libmempool_on_pressure(libmempool_listener listener, void* context);

/* -- Holders ------------------------------------------------------------------------------------------------------- */

/** How much it may hurt. Holders are asked in this order, until enough was given back. */
enum libmempool_pass {
  LIBMEMPOOL_BENIGN = 0,     /* what nobody will miss: spare buffers, expired entries */
  LIBMEMPOOL_IDLE = 1,       /* what was not used lately; from warning on */
  LIBMEMPOOL_DESTRUCTIVE = 2 /* what is of use, and can be had again; from critical on */
};

/** What a holder is asked for. */
struct libmempool_request {
  size_t size;  /* of this struct, as the library knows it */
  size_t bytes; /* wanted from this holder; less is welcome, and so is more */
  int pass;     /* enum libmempool_pass */
  int level;    /* enum libmempool_level */
};

/** Bytes the holder holds now. May be called at any time, often; must not block, allocate or throw. */
typedef size_t (*libmempool_usage)(void* context);
/** Gives memory back; returns how many bytes. Called like a listener, and must not throw. */
typedef size_t (*libmempool_reclaim)(const struct libmempool_request* request, void* context);

/**
 * Whatever holds memory has a name, a usage and a way to give back. The pressure line names the three that hold most.
 * Starts the monitor where it may be started at all; without one the holder is registered and never called.
 * @param   name     1 to 47 bytes, copied; may repeat. Lines show what is not printable UTF-8 as question marks
 * @param   reclaim  may be null: then it is named and never asked
 * @return  a registration, or 0 with errno set: EINVAL (name or usage null, empty or too long), ENOSPC (256 are
 *          registered)
 * @safety  any thread. Cost: a lock; the first one starts a thread
 */
long libmempool_register(const char* name, libmempool_usage usage, libmempool_reclaim reclaim, void* context);

/**
 * Ends a registration of either kind. When it returns no call is under way and none will come; from within that very
 * call it returns at once, and no further one comes.
 * @return  0, or ENOENT
 * @safety  any thread; waits for a call in flight, so not while holding a lock that the callback takes
 */
int libmempool_unregister(long registration);

/**
 * A word that grows by one each time holders are asked. A holder that belongs to one thread is not registered: it
 * compares this word on its own path, and gives back there when it has changed. Cost of a look: one load. A snapshot
 * that is taken after an acquiring load tells of the state for which holders are asked, or of a later one.
 * @return  its address, valid as long as the process
 * @safety  any thread, signal handler, fork child
 */
const uint32_t* libmempool_epoch(void);

/* -- Acting ---------------------------------------------------------------------------------------------------------*/

/**
 * Gives back to the system what is free: spare magazines, depots, pages without a block in use, kept mappings.
 * @return  bytes given back
 * @safety  any thread. Cost: about 0.15 ms a MiB
 */
size_t libmempool_trim(void);

/**
 * Sets the limit that MEMPOOL_LIMIT names, beside the kernel's; 0: none but the kernel's. In force at the next look,
 * which comes at once; starts the monitor where it may be started at all.
 * @return  0, or EINVAL (below 1 MiB)
 * @safety  any thread
 */
int libmempool_set_limit(uint64_t bytes);

/**
 * For the tests of applications: behaves as though this level had been reached, with listeners, holders and lines,
 * until called with -1. Starts the monitor where it may be started at all; without one the snapshot alone says so.
 * @return  0, or EINVAL
 * @safety  any thread
 */
int libmempool_simulate(int level);

#ifdef __cplusplus
}
#endif
#endif
