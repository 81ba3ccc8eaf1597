# The programs, one function each: tests/programs/run calls each in an empty folder of its own.
#
# program_NAME starts the program under test with "${under[@]}" in front and nothing else with it. What it prints is
# compared between the run without the library and the run with it, so it prints no time and no path outside its
# folder. `units` is the amount of work: 10 is meant to give 10^6 allocations or 2 s, 2 a short run.
# shellcheck shell=bash disable=SC2154

declare -A needs=(
  [sorted]="sort xz gzip awk" [python]=/usr/bin/python3 [python_tests]="/usr/bin/python3 /usr/lib/python3.11/test/test_dict" [git]="git python3"
  [sqlite]=sqlite3 [gcc]=g++ [clang]=clang++ [self_build]="cmake ninja"
  [redis]="redis-server redis-cli redis-benchmark" [redis_allocator]="redis-server redis-cli"
  [memcached]="memcached memcslap memcstat" [lua]=lua5.4 [javac]="javac java" [nginx]="nginx wrk" [man]="man groff"
  [gdb]="gdb gcc" [perl]=perl [node]=node [z3]=z3 [fakeroot]=fakeroot [unshare]=unshare
)
# Where the process that was started does little itself or keeps its memory elsewhere, its share says nothing.
readonly counted_elsewhere=" git self_build memcached fakeroot unshare man gdb javac nginx "
readonly small_ones=" fakeroot unshare man gdb redis_allocator "

digest() { sha256sum "$@" | cut -d' ' -f1; }

# A port on the loopback that nobody listens on.
free_port() {
  local port
  for _ in {1..100}; do
    port=$((17000 + RANDOM % 900))
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || { echo "$port"; return; }
  done
  return 1
}
# until_answers PORT: up to 10 s.
until_answers() {
  for _ in {1..200}; do
    (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null && return
    sleep 0.05
  done
  echo "no answer on the port"
  return 1
}
# serve COMMAND...: starts a server that ends with this subshell at the latest.
serve() {
  "${under[@]}" "$@" &
  server=$!
  trap 'kill "$server" 2> /dev/null; wait "$server"' EXIT
  trap 'exit 143' TERM INT
}
# stopped: the server was told to end; prints its exit code.
stopped() {
  wait "$server"
  echo "server ended with $?"
  trap - EXIT
}

# -- Languages ---------------------------------------------------------------------------------------------------
program_python() { PYTHONMALLOC=malloc "${under[@]}" /usr/bin/python3 "$inputs/objects.py" $((units * 6)); }

program_python_tests() {
  local tests=(test_json test_re test_dict test_set test_list test_gc test_fork1 test_ctypes test_mmap test_decimal
    test_thread test_zlib test_pickle test_tempfile)
  [[ -n $all ]] && tests+=(test_threading test_subprocess test_multiprocessing_fork test_os test_sqlite3)
  local found=()
  for one in "${tests[@]}"; do [[ -e /usr/lib/python3.11/test/$one.py || -d /usr/lib/python3.11/test/$one ]] && found+=("$one"); done
  PYTHONMALLOC=malloc "${under[@]}" /usr/bin/python3 -m test "${found[@]}" 2>&1 |
    sed -E 's/^[0-9:]+ load avg: [0-9.]+ //; s/ in [0-9.]+ (ms|sec|min).*//; /^Total duration/d; s/ \([0-9.]+ (sec|min)[^)]*\)//
      s/psm_[0-9a-f]+/psm_NAME/g'
  return "${PIPESTATUS[0]}"
}

program_perl() {
  "${under[@]}" perl -e 'my %h; my $n = shift; for (1 .. $n) { $h{$_ % 50000} .= $_; delete $h{$_ % 70000} }
    my $s = 0; $s += length for values %h; print scalar(keys %h), " $s\n";
    my @l = map { { id => $_, list => [1 .. $_ % 9] } } 1 .. $n / 20; @l = sort { $b->{id} % 97 <=> $a->{id} % 97 } @l;
    print join(",", map { $_->{id} } @l[0 .. 20]), "\n"' $((units * 400000))
}

program_lua() { "${under[@]}" lua5.4 "$inputs/binary_trees.lua" $((units > 5 ? 17 : 12)); }

program_node() { "${under[@]}" node "$inputs/objects.js" $((units * 2)); }

program_javac() {
  /usr/bin/python3 "$inputs/java_sources.py" $((units * 6))
  "${under[@]}" javac -J-Xmx512m -d classes ./*.java
  local status=$?
  find classes -name '*.class' | sort | xargs cat | digest
  return $status
}

# -- Databases and servers ---------------------------------------------------------------------------------------
program_sqlite() {
  "${under[@]}" sqlite3 :memory: "CREATE TABLE t(a INTEGER, b TEXT);
    WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT $((units * 100000)))
      INSERT INTO t SELECT x, printf('%x', x * 2654435761 % 1000003) FROM c;
    CREATE INDEX i ON t(b);
    SELECT count(*), sum(a) FROM t JOIN (SELECT DISTINCT b FROM t WHERE a % 7 = 0) USING (b);
    SELECT length(group_concat(upper(b) || replace(b, 'a', 'zz'))) FROM t;
    SELECT sum(json_extract(json_object('k', json_array(a, b)), '\$.k[0]')) FROM t;
    PRAGMA integrity_check;"
}

program_redis() {
  local port
  port=$(free_port) || return 1
  serve redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --logfile redis.log --dir .
  until_answers "$port" || return 1
  redis-benchmark -p "$port" -P 16 -r 100000 -n $((units * 30000)) -q -t set,get,lpush,lpop,hset,zadd,sadd > benchmark 2> errors
  echo "benchmark ended with $?"
  tr '\r' '\n' < benchmark | sed -nE 's/^([A-Z]+).*: [0-9.]+ requests per second.*/\1/p' | sort -u
  redis-cli -p "$port" flushall > flushed 2>&1
  for ((i = 0; i < 3000; i++)); do
    printf 'set k%d %0*d\nhset h%d a%d b%d\nrpush list %d\nappend k%d x\n' $i $((i % 300 + 1)) $i $((i % 50)) $i $i $i $((i / 2))
  done | redis-cli -p "$port" > answers 2>&1
  digest answers
  redis-cli -p "$port" eval 'local s = 0; for _, k in ipairs(redis.call("keys", "k*")) do s = s + redis.call("strlen", k) end
    return {redis.call("dbsize"), redis.call("llen", "list"), s}' 0
  redis-cli -p "$port" shutdown nosave
  stopped
}

# Debian's redis is linked with jemalloc and asks it for figures: they tell that it served nothing.
program_redis_allocator() {
  local port used
  port=$(free_port) || return 1
  serve redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --logfile redis.log --dir .
  until_answers "$port" || return 1
  redis-benchmark -p "$port" -P 16 -r 100000 -n 100000 -q -t set > benchmark 2>&1
  redis-cli -p "$port" info memory | tr -d '\r' > memory
  used=$(sed -n 's/^used_memory://p' memory)
  local allocated
  allocated=$(sed -n 's/^allocator_allocated://p' memory)
  # The process id of the server is its listener's: `timeout` stands between.
  local pid
  pid=$(redis-cli -p "$port" info server | tr -d '\r' | sed -n 's/^process_id://p')
  local whose=nobody
  ((used > 5000000)) || echo "used_memory is $used only"
  ((allocated >= used / 2)) && whose=jemalloc
  ((allocated < used / 2)) && grep -q "$library" "/proc/$pid/maps" && whose="the preloaded library"
  echo "served by $whose" > whose
  redis-cli -p "$port" shutdown nosave
  stopped
}

program_memcached() {
  local port user=()
  port=$(free_port) || return 1
  [[ $EUID -eq 0 ]] && user=(-u nobody)
  serve memcached "${user[@]}" -l 127.0.0.1 -p "$port" -t 2 -m 128
  until_answers "$port" || return 1
  timeout 60 memcslap --servers="127.0.0.1:$port" --concurrency=20 --execute-number=$((units * 200)) --test=set > load 2> load-errors
  echo "load ended with $?"
  timeout 60 memcslap --servers="127.0.0.1:$port" --concurrency=20 --execute-number=$((units * 200)) --test=get > load 2> load-errors
  echo "load ended with $?"
  exec 4<> "/dev/tcp/127.0.0.1/$port"
  { # in one write: one by one, each would wait for a delayed acknowledgement
    for ((i = 0; i < 500; i++)); do
      printf 'set key%d 0 0 %d\r\n%0*d\r\n' $i $((i % 900 + 1)) $((i % 900 + 1)) $i
    done
    printf 'get key7 key499 none\r\nquit\r\n'
  } > requests
  cat requests >&4
  tr -d '\r' <&4 | uniq -c
  exec 4>&-
  memcstat --servers="127.0.0.1:$port" | sed -nE 's/^\s*(curr_items|cmd_set|cmd_get|evictions): ?/\1 /p'
  kill "$server"
  stopped
}

program_nginx() {
  local port user=
  port=$(free_port) || return 1
  [[ $EUID -eq 0 ]] && user='user root;'
  mkdir -p www tmp
  for ((i = 0; i < 20; i++)); do printf '%0*d\n' $((i * 1000 + 1)) "$i"; done > www/page.txt
  cat > nginx.conf <<CONF
$user daemon off; worker_processes 2; pid nginx.pid; error_log error.log error;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path tmp/b; proxy_temp_path tmp/p; fastcgi_temp_path tmp/f; uwsgi_temp_path tmp/u;
  scgi_temp_path tmp/s; gzip on; gzip_min_length 1; gzip_types text/plain;
  server { listen 127.0.0.1:$port; root www; location /small { return 200 "small \$arg_n\n"; } }
}
CONF
  serve nginx -p "$PWD" -e error.log -c nginx.conf
  until_answers "$port" || return 1
  wrk -t 1 -c 50 -d $((units > 5 ? 2 : 1)) "http://127.0.0.1:$port/small?n=1" > load 2>&1
  wrk -t 1 -c 20 -d 1 -H 'Accept-Encoding: gzip' "http://127.0.0.1:$port/page.txt" > load-gzip 2>&1
  for file in load load-gzip; do
    (($(sed -nE 's/^ *([0-9]+) requests in.*/\1/p' "$file") > 200)) || echo "hardly an answer: $(< "$file")"
    grep -E 'Non-2xx|Socket errors' "$file"
  done
  for _ in 1 2 3 4 5; do
    kill -HUP "$(< nginx.pid)"
    sleep 0.1
  done
  /usr/bin/python3 -c 'import hashlib, sys, urllib.request as u
for path in "page.txt", "small?n=5":
    print(hashlib.sha256(u.urlopen("http://127.0.0.1:%s/%s" % (sys.argv[1], path)).read()).hexdigest())' "$port"
  kill -QUIT "$(< nginx.pid)"
  stopped
  cat error.log
}

# -- Compilers and tools -----------------------------------------------------------------------------------------
program_gcc() { # the counts are the compiler proper's, which the driver starts
  "${under[@]}" MEMPOOL_SUMMARY=0 g++ -wrapper "/usr/bin/env,MEMPOOL_SUMMARY=${page:-0}" -std=c++20 -O1 -c \
    -DINSTANCES=$((units > 5 ? 4 : 1)) -o large.o "$inputs/$compiled.cc" &&
    digest large.o
}
program_clang() {
  "${under[@]}" clang++ -std=c++20 -O1 -c -DINSTANCES=$((units > 5 ? 4 : 1)) -o large.o "$inputs/$compiled.cc" && digest large.o
}

program_git() {
  export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME=$PWD
  local git=("${under[@]}" git -c gc.auto=0 -c pack.threads=2 -c init.defaultBranch=main)
  /usr/bin/python3 "$inputs/history.py" $((units * 200)) > history
  "${git[@]}" init -q --bare origin && "${git[@]}" -C origin fast-import --quiet < history || return 1
  "${git[@]}" clone -q --no-local origin copy 2>&1 || return 1
  "${git[@]}" -C copy gc -q --aggressive --prune=now 2>&1 || return 1
  "${git[@]}" -C copy fsck --full --no-progress 2>&1 || return 1
  "${git[@]}" -C copy log --stat -p | digest
  "${git[@]}" -C copy rev-list --objects --all | digest
  "${git[@]}" -C copy blame dir0/file56.txt | digest
}

program_self_build() {
  "${under[@]}" cmake -S "$root" -B tree -G Ninja -DCMAKE_BUILD_TYPE=Release -DMEMPOOL_TESTS=OFF > configured 2>&1
  local status=$?
  echo "cmake ended with $status"
  ((status == 0)) || { cat configured; return 1; }
  "${under[@]}" ninja -C tree libmempool.so > built 2>&1
  status=$?
  echo "ninja ended with $status"
  ((status == 0)) || { cat built; return 1; }
  sed -E "s/^\\[[0-9]+\\/[0-9]+\\] //; s|$PWD|.|g" built | grep -v "^ninja: Entering" | sort
  nm -D --defined-only tree/libmempool.so | cut -d' ' -f2- | sort | digest
  LD_PRELOAD=$PWD/tree/libmempool.so /bin/echo "the library it built works"
}

program_sorted() {
  seq $((units * 20000)) | awk '{ print $1 * 7919 % 1000003 }' > numbers
  "${under[@]}" sort -n numbers | digest
  "${under[@]}" MEMPOOL_SUMMARY=0 xz -1 -T 2 -k numbers && xz -dc numbers.xz | digest
  "${under[@]}" MEMPOOL_SUMMARY=0 gzip -k numbers && gzip -dc numbers.gz | digest
}

program_z3() {
  /usr/bin/python3 "$inputs/pigeons.py" $((units > 5 ? 10 : 6)) > problem.smt2
  "${under[@]}" z3 -smt2 problem.smt2
}

program_fakeroot() {
  "${under[@]}" fakeroot sh -c 'touch file; chown 12:34 file; mknod device c 1 3; stat -c "%u:%g %F" file device;
    tar --numeric-owner --mtime=@0 -cf all.tar file device; tar -tvf all.tar; id -u'
}
program_man() {
  export MANWIDTH=80 LC_ALL=C.UTF-8
  "${under[@]}" man -P cat -l "$root/docs/mempool.7" | digest
  {
    echo '.TH LONG 7'
    for ((i = 0; i < 3000; i++)); do printf '.SH PART %d\n.B bold\nText \\fIin italics\\fR of part %d.\n' $i $i; done
  } > long.7
  "${under[@]}" man -P cat -l ./long.7 | digest
  "${under[@]}" man -Tps -l ./long.7 | sed '/^%%CreationDate/d' | digest
}
program_gdb() {
  printf '#include <stdlib.h>\nint twice(int n) { free(malloc(n)); return 2 * n; }\nint main(void) { return twice(21); }\n' > program.c
  gcc -g -O0 -o program program.c
  "${under[@]}" gdb -nx -batch -ex 'break twice' -ex run -ex 'print n' -ex backtrace -ex finish -ex continue ./program 2>&1 |
    sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/\(process [0-9]+\)/(process N)/; /debuginfod/d'
  return "${PIPESTATUS[0]}"
}
program_unshare() { "${under[@]}" unshare -Ur sh -c 'id -u; cat /proc/self/uid_map'; }
