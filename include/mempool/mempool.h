/* libmempool's C interface. Every name begins with libmempool_ and is exported by libmempool.so and libmempool.a. */
#ifndef MEMPOOL_MEMPOOL_H
#define MEMPOOL_MEMPOOL_H

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

#ifdef __cplusplus
}
#endif
#endif
