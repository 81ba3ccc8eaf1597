// The seed's side of the comparison: runs an operation list through the seed's own classes. usage: node --expose-gc
// seed.cjs SYSTEM < operations. Prints a line for each operation, as ours.cc does. Where the seed shows one of the
// defects that the runner names, the line is RESULT <tab> DEFECT <tab> RESULT WITHOUT IT, and the seed's state is put
// right, so that the two sides are alike again and the list goes on.
'use strict'
const fs = require('fs')
const path = require('path')
const vm = require('vm')

// The types that occur in the seed's text, the longer first; everything else there is JavaScript.
const types = [
  '{ allocatedBytes: number; poolSizes: Record<number, number> }', 'AsyncGenerator<R, void, unknown>',
  'Array<(usage: MemoryUsage) => void>', '(chunk: T[]) => Promise<R[]>', '(usage: MemoryUsage) => void',
  'Record<number, number>', 'NodeJS.Timeout | null', '(T | undefined)[]', '(obj: T) => void', 'AsyncIterable<T>',
  'CacheEntry<T>', 'T | undefined', 'MemoryUsage', 'HttpRequest', '() => T', 'Buffer', 'boolean', 'number', 'string',
  'void', 'T[]', 'T',
]
function stripTypes(text) {
  const anyType = types.map(type => type.replace(/[()[\]{}|.]/g, '\\$&')).join('|')
  return text
    .replace(/^(export )?interface [^]*?^}\n/gm, '')
    .replace(/^export /gm, '')
    .replace(/constructor\(private (\w+): number\) {/g, 'constructor($1) {\n    this.$1 = $1')
    .replace(/\bprivate /g, '')
    .replace(/(class \w+|new \w+)<[^(){]*>(?=[ (])/g, '$1')
    .replace(new RegExp(`: (${anyType})(?=[ ,)={;\\n])`, 'g'), '')
    .replace(/([)\]])!(?!=)/g, '$1')
}

/// The classes of a file of the seed's, with what they see of the world replaced by `world`.
function load(file, names, world = {}) {
  const text = fs.readFileSync(path.join(__dirname, '..', 'seed', file + '.ts'), 'utf8')
  const context = vm.createContext({ Buffer, console, global: {}, ...world })
  return vm.runInContext(`${stripTypes(text)}\n({ ${names.join(', ')} })`, context, { filename: file })
}

const same = Symbol('same')  // no defect
const line = (result, defect = same, without = result) =>
  defect === same || result === without ? result : `${result}\t${defect}\t${without}`
const take = (list, i) => list.splice(i % list.length, 1)[0]

const systems = {
  object_pool() {
    const { ObjectPool } = load('object_pool', ['ObjectPool'])
    let pool, live, made, resets, isFaulty
    const state = () => `size ${pool.size} resets ${resets}`
    return {
      new(initial, max) {
        live = []
        made = resets = 0
        isFaulty = false
        pool = new ObjectPool(
          () => ({ id: ++made, value: 0 }),
          object => {
            if (isFaulty) throw new Error('reset')
            object.value = 0
            resets++
          }, initial, max)
        const result = `size ${pool.size} made ${made}`
        const kept = Math.min(initial, max)
        pool.pool.length = made = kept
        return line(result, 'initial_above_max', `size ${kept} made ${kept}`)
      },
      zeros(initial) {
        let count = 0
        const zeros = new ObjectPool(() => (count++, 0), () => {}, initial, initial)
        zeros.acquire()
        zeros.acquire()
        return line(`made ${count}`, 'falsy_objects', `made ${Math.max(initial, 2)}`)
      },
      acquire() {
        const object = pool.acquire()
        live.push(object)
        return line(`object ${object.id} value ${object.value} size ${pool.size}`)
      },
      write(i, value) {
        if (live.length !== 0) live[i % live.length].value = value
        return line('written')
      },
      release(i) {
        if (live.length !== 0) pool.release(take(live, i))
        return line(state())
      },
      release_twice(i) {
        if (live.length === 0) return line(state())
        const object = take(live, i)
        pool.release(object)
        const [size, count, without] = [pool.size, resets, state()]
        pool.release(object)
        const result = state()
        pool.pool.length = size
        resets = count
        return line(result, 'double_release', without)
      },
      release_faulty(i) {
        if (live.length === 0) return line(state())
        isFaulty = true
        let result = ''
        try {
          pool.release(take(live, i))
        } catch {
          result = 'throws '
        }
        isFaulty = false
        return line(result + state(), 'throwing_reset', state())
      },
      foreign(value) {
        const [size, count, without] = [pool.size, resets, state()]
        pool.release({ id: -1, value })
        const result = state()
        pool.pool.length = size
        resets = count
        return line(result, 'foreign_object', without)
      },
      clear() {
        pool.clear()
        return line(state())
      },
    }
  },

  http_request_pool() {
    const { HttpRequestPool } = load('object_pool', ['HttpRequestPool'], { Date: { now: () => 1 } })
    let pool, live
    const show = request => {
      const headers = [...request.headers].map(([name, value]) => ` ${name}=${value}`).join('')
      const { method, url, body, timestamp } = request
      return line(`${method} ${url}${headers} body ${body ?? ''} stamped ${timestamp > 0}`)
    }
    return {
      new() {
        pool = new HttpRequestPool()
        live = []
        return line('new')
      },
      create(method, url) {
        live.push(pool.createRequest(method, url))
        return show(live.at(-1))
      },
      header(i, name, value) {
        if (live.length === 0) return line('none')
        const request = live[i % live.length]
        request.headers.set(name, value)
        return show(request)
      },
      body(i, text) {
        if (live.length === 0) return line('none')
        live[i % live.length].body = text
        return show(live[i % live.length])
      },
      release(i) {
        if (live.length !== 0) pool.releaseRequest(take(live, i))
        return line('released')
      },
    }
  },

  buffer_manager() {
    const { BufferManager } = load('buffer_manager', ['BufferManager'])
    let manager, live, mebibytes
    const stats = () => {
      const { allocatedBytes, poolSizes } = manager.getStats()
      const idle = Object.entries(poolSizes).filter(([, count]) => count !== 0)
      const pools = idle.map(([size, count]) => ` ${size}:${count}`)
      return `allocated ${allocatedBytes} pools${pools.join('')}`
    }
    const begin = size => {
      mebibytes = size
      manager = new BufferManager(size)
      live = []
    }
    return {
      new(size) {
        begin(size)
        return line('new')
      },
      allocate(size) {
        const whole = size === 0 ? 0 : manager.nextPowerOfTwo(size)
        const before = manager.getStats()
        const isRecycled = (before.poolSizes[whole] ?? 0) !== 0
        const max = mebibytes * 1024 * 1024
        const overflows = !isRecycled && before.allocatedBytes + whole > max
        let result
        try {
          const buffer = manager.allocate(size)
          result = `length ${buffer.length}`
          if (isRecycled && whole !== 0) result += ` zeros ${buffer.every(byte => byte === 0)}`
          live.push(buffer)
        } catch (error) {
          result = error.message.toLowerCase()
        }
        if (!overflows) return line(result)
        // What goes is another matter than whether it goes: both sides start afresh.
        const inUse = live.reduce((sum, buffer) => sum + buffer.length, result.startsWith('length') ? -whole : 0)
        begin(mebibytes)
        return line(result, 'idle_memory_fails', inUse + whole <= max ? `length ${whole}` : result)
      },
      write(i, byte) {
        if (live.length !== 0) live[i % live.length].fill(byte)
        return line('written')
      },
      release(i) {
        if (live.length !== 0) manager.release(take(live, i))
        const result = stats()
        manager.buffers.delete(0)
        return line(result, 'block_of_no_bytes', stats())
      },
      release_twice(i) {
        const buffer = live.length === 0 ? null : take(live, i)
        if (buffer === null || buffer.length === 0) return line(stats())
        manager.release(buffer)
        const without = stats()
        manager.release(buffer)
        const result = stats()
        manager.buffers.get(buffer.length).pop()
        return line(result, 'double_release', without)
      },
      foreign(size) {
        const without = stats()
        manager.release(Buffer.alloc(size))
        const result = stats()
        manager.buffers.get(size).pop()
        return line(result, 'foreign_buffer', without)
      },
      drop(i) {
        const buffer = live.length === 0 ? null : take(live, i)
        if (buffer === null || buffer.length === 0) return line(stats())
        const result = stats()
        manager.release(buffer)
        return line(result, 'dropped_buffer', stats())
      },
    }
  },

  stream_processor() {
    const { StreamProcessor } = load('stream_processor', ['StreamProcessor'])
    const numbers = count => Array.from({ length: count }, (_, i) => i)
    async function* from(items) {
      yield* items
    }
    function processor(chunk, limit) {
      const made = { lengths: [], failsAt: -1 }
      made.it = new StreamProcessor(
        async items => {
          if (made.lengths.length === made.failsAt) throw new Error('fn')
          made.lengths.push(items.length)
          return items.map(item => (typeof item === 'string' ? item.length : item) * 2 + 1)
        }, chunk, limit / 1048576)
      return made
    }
    async function run(by, items, most = Infinity) {
      by.lengths = []
      const results = []
      try {
        if (most !== 0)
          for await (const result of by.it.processStream(from(items))) {
            results.push(result)
            if (results.length === most) break
          }
      } catch {
        results.push('throws')
      }
      return `chunks ${by.lengths.join()} results ${results.join()}`
    }
    /// The second stream of a processor, and what a processor of its own would have made of it.
    async function second(by, chunk, limit, count, defect) {
      by.failsAt = -1
      return line(await run(by, numbers(count)), defect, await run(processor(chunk, limit), numbers(count)))
    }
    return {
      new: () => line('new'),
      numbers: async (chunk, limit, count) => line(await run(processor(chunk, limit), numbers(count))),
      strings: async (chunk, limit, ...lengths) =>
        line(await run(processor(chunk, limit), lengths.map(length => 'x'.repeat(length)))),
      async again(chunk, limit, first, count) {
        const by = processor(chunk, limit)
        await run(by, numbers(first))
        return second(by, chunk, limit, count, 'usage_is_left_over')
      },
      async left_early(chunk, limit, first, most, count) {
        const by = processor(chunk, limit)
        await run(by, numbers(first), most)
        return second(by, chunk, limit, count, 'usage_stays_after_a_break')
      },
      async throwing(chunk, limit, first, at, count) {
        const by = processor(chunk, limit)
        by.failsAt = at
        await run(by, numbers(first))
        return second(by, chunk, limit, count, 'usage_stays_after_a_throw')
      },
      async interleaved(chunk, limit, count) {
        const by = processor(chunk, limit)
        const streams = [by.it.processStream(from(numbers(count))), by.it.processStream(from(numbers(count)))]
        for (let going = 2; going !== 0; ) {
          going = 0
          for (const stream of streams) if (!(await stream.next()).done) going++
        }
        const result = `chunks ${by.lengths.join()}`
        const alone = processor(chunk, limit)
        await run(alone, numbers(count))
        // Each stream's chunks twice, in turn.
        return line(result, 'streams_share_usage', `chunks ${alone.lengths.flatMap(length => [length, length]).join()}`)
      },
    }
  },

  gc_optimized_cache() {
    let now = 0
    let due = []
    const world = { Date: { now: () => now }, setTimeout: callback => due.push(callback) }
    const { GCOptimizedCache } = load('gc_optimized_cache', ['GCOptimizedCache'], world)
    let cache, stale
    return {
      new() {
        cache = new GCOptimizedCache()
        stale = new Set()
        return line('new')
      },
      set(key, value, ttl) {
        if (cache.longTermCache.has(key)) stale.add(key)
        if (ttl < 0) cache.set(key, value)
        else cache.set(key, value, ttl)
        for (const callback of due.splice(0)) callback()
        return line('set')
      },
      get(key) {
        const young = cache.shortTermCache.get(key)
        const old = cache.longTermCache.get(key)
        let defect = same
        if (young) {
          if (now - young.createdAt > young.ttl) defect = 'expired_is_served'
        } else if (old) {
          if (now - old.lastAccessed > 2 * old.ttl) defect = 'expired_is_served'
          if (stale.has(key)) defect = 'stale_value_returns'
        }
        const result = String(cache.get(key) ?? 'nothing')
        if (defect !== same) {
          cache.shortTermCache.delete(key)
          cache.longTermCache.delete(key)
        }
        if (cache.longTermCache.get(key) === young || !cache.longTermCache.has(key)) stale.delete(key)
        return line(result, defect, 'nothing')
      },
      advance(ms) {
        now += ms
        return line('later')
      },
    }
  },

  circular_buffer() {
    const { CircularBuffer } = load('circular_buffer_and_weak_cache', ['CircularBuffer'])
    let ring
    const seen = value => String(value)
    const removed = remove => {
      const isThere = ring.size > 0
      const result = seen(remove())
      return line(result, 'undefined_is_no_element', isThere && result === 'undefined' ? 'an undefined' : result)
    }
    const push = value => {
      const isFull = ring.size === ring.capacity
      const result = seen(ring.push(value))
      if (ring.capacity === 0) return line(result, 'capacity_0', value === undefined ? 'an undefined' : seen(value))
      return line(result, 'undefined_is_no_element', isFull && result === 'undefined' ? 'an undefined' : result)
    }
    return {
      new(capacity) {
        try {
          ring = new CircularBuffer(capacity)
          return line('new')
        } catch {
          ring = new CircularBuffer(1)
          return line('throws')
        }
      },
      push: value => push(value),
      push_undefined: () => push(undefined),
      pop: () => removed(() => ring.pop()),
      shift: () => removed(() => ring.shift()),
      clear() {
        ring.clear()
        return line('cleared')
      },
      array: () => line(`[${ring.toArray().map(seen).join()}]`),
    }
  },

  weak_cache() {
    const { WeakCache } = load('circular_buffer_and_weak_cache', ['WeakCache'])
    let cache, owners, last, entered, keys_of, lost
    const turn = () => new Promise(resolve => setTimeout(resolve, 0))
    const owner_at = i => [...owners.keys()][i % owners.size]
    /// What a get or has would find without the defects; where the seed has lost it, it is entered again.
    const compare = (key, result, without) => {
      if (result === without || !lost.has(key)) return line(result)
      const defect = lost.get(key)
      lost.delete(key)
      cache.set(key, owners.get(entered.get(key)))
      return line(result, defect, without)
    }
    return {
      new() {
        cache = new WeakCache()
        owners = new Map()
        entered = new Map()  // key: the value that should be found
        keys_of = new Map()  // value: all keys it was ever entered under
        lost = new Map()
        last = 0
        return line('new')
      },
      make() {
        owners.set(++last, { id: last })
        keys_of.set(last, new Set())
        return line(`made ${last}`)
      },
      set(key, i) {
        if (owners.size === 0) return line('none')
        const id = owner_at(i)
        cache.set(key, owners.get(id))
        entered.set(key, id)
        keys_of.get(id).add(key)
        lost.delete(key)
        return line(`set ${id}`)
      },
      get: key => compare(key, String(cache.get(key)?.id ?? 'nothing'), String(entered.get(key) ?? 'nothing')),
      has: key => compare(key, String(cache.has(key)), String(entered.has(key))),
      delete(key) {
        const result = String(cache.delete(key))
        const without = String(entered.has(key))
        const defect = lost.get(key) ?? same
        const id = entered.get(key)
        entered.delete(key)
        lost.delete(key)
        for (const [other, value] of entered) if (value === id) lost.set(other, 'one_value_two_keys')
        return line(result, defect, result === without || defect === same ? result : without)
      },
      async drop(i) {
        if (owners.size === 0) return line('none')
        const id = owner_at(i)
        owners.delete(id)
        for (const key of keys_of.get(id)) {
          if (entered.get(key) === id) entered.delete(key)
          else if (entered.has(key)) lost.set(key, 'old_value_takes_new_entry')
        }
        await turn()
        global.gc()
        await turn()
        return line(`dropped ${id}`)
      },
    }
  },

  memory_monitor() {
    let heapUsed, heapLimit
    let tick = null
    const world = {
      setInterval: callback => (tick = callback),
      clearInterval: () => (tick = null),
      process: { memoryUsage: () => ({ rss: heapUsed, heapTotal: heapUsed, heapUsed }), emit() {} },
      console: { warn() {}, error() {} },
      require: () => ({ getHeapStatistics: () => ({ heap_size_limit: heapLimit }) }),
    }
    const { MemoryMonitor } = load('memory_monitor', ['MemoryMonitor'], world)
    let monitor, calls, count
    const listen = isThrowing => {
      const id = ++count
      monitor.onMemoryUsage(usage => {
        calls.push(`${id}:${usage.heapUsedPercent.toFixed(3)}`)
        if (isThrowing) throw new Error('listener')
      })
      return line(`listener ${id}`)
    }
    return {
      new() {
        monitor = new MemoryMonitor()
        count = 0
        return line('new')
      },
      listen: () => listen(false),
      listen_throwing: () => listen(true),
      interval(used, limit) {
        heapUsed = used
        heapLimit = limit
        calls = []
        monitor.start(1)
        monitor.start(1)
        try {
          tick()
        } catch {
          // setInterval's caller would end the process.
        }
        monitor.stop()
        monitor.stop()
        if (tick !== null) return line('goes on')
        const all = Array.from({ length: count }, (_, i) => `${i + 1}:${(used / limit).toFixed(3)}`)
        return line(`told ${calls.join()}`, 'throwing_listener_starves_others', `told ${all.join()}`)
      },
    }
  },
}

async function main() {
  const operations = systems[process.argv[2]]()
  const results = []
  for (const text of fs.readFileSync(0, 'utf8').split('\n')) {
    if (text === '') continue
    const [name, ...words] = text.split(' ')
    results.push(await operations[name](...words.map(word => (/^-?\d+$/.test(word) ? Number(word) : word))))
  }
  process.stdout.write(results.join('\n') + '\n')
}
main()
