// From memory-management-patterns.md, "Buffer Management": the code as it stands there.
// Efficient buffer management for streaming data
export class BufferManager {
  private buffers = new Map<number, Buffer[]>()
  private allocatedBytes = 0
  private maxMemory: number

  constructor(maxMemoryMB: number = 100) {
    this.maxMemory = maxMemoryMB * 1024 * 1024
  }

  allocate(size: number): Buffer {
    // Round up to next power of 2 for better reuse
    const actualSize = this.nextPowerOfTwo(size)

    // Check if we have a buffer of this size
    const sizePool = this.buffers.get(actualSize)
    if (sizePool && sizePool.length > 0) {
      return sizePool.pop()!
    }

    // Check memory limit
    if (this.allocatedBytes + actualSize > this.maxMemory) {
      this.cleanup()

      if (this.allocatedBytes + actualSize > this.maxMemory) {
        throw new Error('Out of memory')
      }
    }

    // Allocate new buffer
    const buffer = Buffer.allocUnsafe(actualSize)
    this.allocatedBytes += actualSize

    return buffer
  }

  release(buffer: Buffer): void {
    const size = buffer.length

    // Clear buffer contents for security
    buffer.fill(0)

    // Return to appropriate size pool
    let sizePool = this.buffers.get(size)
    if (!sizePool) {
      sizePool = []
      this.buffers.set(size, sizePool)
    }

    sizePool.push(buffer)
  }

  private cleanup(): void {
    // Remove excess buffers from pools
    for (const [size, pool] of this.buffers) {
      while (pool.length > 10) {
        // Keep max 10 buffers per size
        const buffer = pool.pop()!
        this.allocatedBytes -= buffer.length
      }
    }
  }

  private nextPowerOfTwo(n: number): number {
    return Math.pow(2, Math.ceil(Math.log2(n)))
  }

  getStats(): { allocatedBytes: number; poolSizes: Record<number, number> } {
    const poolSizes: Record<number, number> = {}
    for (const [size, pool] of this.buffers) {
      poolSizes[size] = pool.length
    }

    return {
      allocatedBytes: this.allocatedBytes,
      poolSizes,
    }
  }
}
