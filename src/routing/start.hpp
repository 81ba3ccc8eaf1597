// What happens once per process: options, reservation, the summary's page, fork handlers.
#pragma once

namespace mempool::routing {

/// Starts the monitor through pressure::starter, once; re-entrant, any thread, no lock or gate of ours held.
void start_monitor() noexcept;

/// In a fork child: the shared counter page stays the parent's; this process counts on a copy of its own.
void leave_summary_to_parent() noexcept;

/// MEMPOOL_SUMMARY=1: true in the process that was started with it, false in what it forked or ran.
bool prints_summary() noexcept;

}  // namespace mempool::routing
