// From memory-management-patterns.md, "Generational GC Awareness": the code as it stands there.
// Design objects to work well with generational GC
export class GCOptimizedCache<T> {
  private shortTermCache = new Map<string, CacheEntry<T>>() // Young generation
  private longTermCache = new Map<string, CacheEntry<T>>() // Old generation
  private promotionThreshold = 3 // Access count to promote to long-term

  set(key: string, value: T, ttl: number = 300000): void {
    const entry: CacheEntry<T> = {
      value,
      accessCount: 1,
      createdAt: Date.now(),
      lastAccessed: Date.now(),
      ttl,
    }

    // Always start in short-term cache
    this.shortTermCache.set(key, entry)

    // Clean up periodically
    this.scheduleCleanup()
  }

  get(key: string): T | undefined {
    // Check short-term cache first
    let entry = this.shortTermCache.get(key)
    if (entry) {
      entry.accessCount++
      entry.lastAccessed = Date.now()

      // Promote to long-term if accessed frequently
      if (entry.accessCount >= this.promotionThreshold) {
        this.shortTermCache.delete(key)
        this.longTermCache.set(key, entry)
      }

      return entry.value
    }

    // Check long-term cache
    entry = this.longTermCache.get(key)
    if (entry) {
      entry.lastAccessed = Date.now()
      return entry.value
    }

    return undefined
  }

  private scheduleCleanup(): void {
    // Use requestIdleCallback to cleanup during idle time
    if (typeof requestIdleCallback !== 'undefined') {
      requestIdleCallback(() => this.cleanup())
    } else {
      setTimeout(() => this.cleanup(), 0)
    }
  }

  private cleanup(): void {
    const now = Date.now()

    // Clean short-term cache more aggressively
    for (const [key, entry] of this.shortTermCache) {
      if (now - entry.createdAt > entry.ttl) {
        this.shortTermCache.delete(key)
      }
    }

    // Clean long-term cache less frequently
    for (const [key, entry] of this.longTermCache) {
      if (now - entry.lastAccessed > entry.ttl * 2) {
        this.longTermCache.delete(key)
      }
    }
  }
}
