/* A process's life around the heap, for tests/interpose/run and tests/musl/run: a scene per name. Each prints "done" when
 * it got to its end. */
#ifndef LIFE_H
#define LIFE_H
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <linux/seccomp.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __GLIBC__ /* musl has neither */
static inline int malloc_trim(size_t pad) { return pad != 0; }
static inline int on_exit(void (*handler)(int, void*), void* context) { return handler == NULL && context == NULL; }
#endif

extern char** environ;
extern volatile int stop; /* the busy threads' */

struct node { struct node* next; };
void churn(int rounds);
void start_busy(pthread_t* threads, int n);
struct node* fill(size_t size, size_t total);
void drop(struct node* list);
void* nearly_busy(void* unused);
void join_busy(pthread_t* threads, int n);
long resident_kib(void);
void fail(const char* why, long a, long b);
void expect_child(pid_t child);
int rounds(int n); /* of a scene: n, or where LIFE_ROUNDS is set at most so many, and then too few to measure by */

#define SCENES(X) \
  X(short_threads) X(destructors_that_allocate) X(no_keys_left) X(small_stacks) X(freed_by_others) \
  X(no_line_is_shared) X(a_thread_that_never_allocates_counts) \
  X(one_block_size_after_the_other) X(shuffled_frees_leave_little) X(forks_from_busy_threads) \
  X(handlers_that_allocate) X(handlers_registered_before_ours) X(the_first_thread_ends_first) \
  X(an_aligned_small_block_is_aligned_to_16) X(forks_in_signal_handlers) X(spawned_children) \
  X(a_signal_handler_that_allocates_in_the_miss_path) X(exit_under_threads) X(frees_after_main) \
  X(stays_single_threaded) X(setuid_returns) X(locked_memory) X(lower_data_limit) X(foreign_pointers) \
  X(real_time_threads) X(only_the_laws_system_calls) X(small_heap) X(refused_memory) X(sized_frees) \
  X(vfork_children_allocate) X(cleared_environment) X(strict_seccomp) X(forked_children_have_one_thread) \
  X(many_blocks) X(no_huge_pages) X(forks_amid_the_monitors_work) X(the_program_maps_what_it_freed) \
  X(a_single_threaded_child_of_threads_stays_so)
#define DECLARE(name) void name(void);
SCENES(DECLARE)
#undef DECLARE
#endif
