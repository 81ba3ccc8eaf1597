// From memory-management-patterns.md, "Memory-Efficient Data Structures": the code as it stands there.
// Circular buffer for fixed-size collections
export class CircularBuffer<T> {
  private buffer: (T | undefined)[]
  private head = 0
  private tail = 0
  private size = 0

  constructor(private capacity: number) {
    this.buffer = new Array(capacity)
  }

  push(item: T): T | undefined {
    const evicted = this.buffer[this.tail]
    this.buffer[this.tail] = item

    if (this.size < this.capacity) {
      this.size++
    } else {
      // Buffer is full, move head
      this.head = (this.head + 1) % this.capacity
    }

    this.tail = (this.tail + 1) % this.capacity
    return evicted
  }

  pop(): T | undefined {
    if (this.size === 0) return undefined

    this.tail = (this.tail - 1 + this.capacity) % this.capacity
    const item = this.buffer[this.tail]
    this.buffer[this.tail] = undefined // Help GC
    this.size--

    return item
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined

    const item = this.buffer[this.head]
    this.buffer[this.head] = undefined // Help GC
    this.head = (this.head + 1) % this.capacity
    this.size--

    return item
  }

  clear(): void {
    // Help GC by explicitly clearing references
    for (let i = 0; i < this.capacity; i++) {
      this.buffer[i] = undefined
    }
    this.head = 0
    this.tail = 0
    this.size = 0
  }

  toArray(): T[] {
    const result: T[] = []
    for (let i = 0; i < this.size; i++) {
      const index = (this.head + i) % this.capacity
      result.push(this.buffer[index]!)
    }
    return result
  }
}

// Weak reference cache that doesn't prevent GC
export class WeakCache<T extends object> {
  private cache = new WeakMap<object, T>()
  private keyMap = new Map<string, WeakRef<object>>()
  private cleanupRegistry = new FinalizationRegistry<string>(key => {
    this.keyMap.delete(key)
  })

  set(key: string, value: T): void {
    // Use the value object itself as the weak map key
    this.cache.set(value, value)

    // Keep a weak reference for string-based lookup
    const weakRef = new WeakRef(value)
    this.keyMap.set(key, weakRef)

    // Register for cleanup when value is GC'd
    this.cleanupRegistry.register(value, key)
  }

  get(key: string): T | undefined {
    const weakRef = this.keyMap.get(key)
    if (!weakRef) return undefined

    const value = weakRef.deref()
    if (!value) {
      // Object was garbage collected
      this.keyMap.delete(key)
      return undefined
    }

    return this.cache.get(value)
  }

  has(key: string): boolean {
    const weakRef = this.keyMap.get(key)
    if (!weakRef) return false

    const value = weakRef.deref()
    if (!value) {
      this.keyMap.delete(key)
      return false
    }

    return this.cache.has(value)
  }

  delete(key: string): boolean {
    const weakRef = this.keyMap.get(key)
    if (!weakRef) return false

    const value = weakRef.deref()
    if (!value) {
      this.keyMap.delete(key)
      return false
    }

    this.cache.delete(value)
    this.keyMap.delete(key)
    return true
  }
}
