# Memory cgroups for tests, of version 1 or 2. Sourced by the runners that need a real limit; $work is a directory of
# theirs for what the commands print, and remove_groups belongs into their clean-up.

# Where groups with a limit can be made: beside or below our own. Sets parent, version (v1 or v2) and limit_file; false
# where there is no such place, which takes root or a delegated group.
parent=
find_parent() {
  local kind mount own at
  while read -r kind mount; do
    if [[ $kind == v1 ]]; then
      limit_file=memory.limit_in_bytes
      own=$(sed -nE 's/^[0-9]+:([^:]*,)?memory(,[^:]*)?:(.*)/\3/p' /proc/self/cgroup)
    else
      limit_file=memory.max
      own=$(sed -n 's/^0:://p' /proc/self/cgroup)
    fi
    for at in "$mount$own" "$mount"; do
      mkdir "$at/libmempool-test-$$-try" 2> /dev/null || continue
      if echo 268435456 2> /dev/null > "$at/libmempool-test-$$-try/$limit_file"; then
        rmdir "$at/libmempool-test-$$-try"
        parent=$at version=$kind
        return 0
      fi
      rmdir "$at/libmempool-test-$$-try"
    done
  done < <(awk '/ - cgroup .*[ ,]memory(,|$)/ { print "v1", $5 } / - cgroup2 / { print "v2", $5 }' /proc/self/mountinfo)
  return 1
}

# in_group NAME MIB COMMAND...: runs the command in a new group of so many MiB, for $patience seconds at most; its output in
# $work/NAME.out and $work/NAME.err. The command's status; 137 where it was killed, 99 where there is no group.
patience=90
in_group() {
  local group=$parent/libmempool-test-$$-$1 name=$1 status
  mkdir "$group" && echo $(($2 << 20)) > "$group/$limit_file" || return 99
  [[ $version == v2 ]] && echo 0 2> /dev/null > "$group/memory.swap.max"
  shift 2
  bash -c 'echo $$ > "$0/cgroup.procs" && exec "$@"' "$group" timeout "$patience" "$@" > "$work/$name.out" 2> "$work/$name.err"
  status=$?
  for _ in 1 2 3 4 5; do rmdir "$group" 2> /dev/null && break; sleep 0.2; done
  return $status
}

# Those that a run that was interrupted left behind.
remove_groups() {
  local group
  [[ -n $parent ]] || return 0
  for group in "$parent"/libmempool-test-$$-*; do [[ -d $group ]] && rmdir "$group" 2> /dev/null; done
  return 0
}
