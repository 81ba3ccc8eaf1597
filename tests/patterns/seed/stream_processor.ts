// From memory-management-patterns.md, "Streaming Data Processing": the code as it stands there, without its usage example.
// Memory-efficient streaming data processor
export class StreamProcessor<T, R> {
  private chunkSize: number
  private processorFn: (chunk: T[]) => Promise<R[]>
  private memoryLimit: number
  private currentMemoryUsage = 0

  constructor(
    processorFn: (chunk: T[]) => Promise<R[]>,
    chunkSize: number = 1000,
    memoryLimitMB: number = 50,
  ) {
    this.processorFn = processorFn
    this.chunkSize = chunkSize
    this.memoryLimit = memoryLimitMB * 1024 * 1024
  }

  async *processStream(dataStream: AsyncIterable<T>): AsyncGenerator<R, void, unknown> {
    let chunk: T[] = []

    for await (const item of dataStream) {
      chunk.push(item)
      this.currentMemoryUsage += this.estimateItemSize(item)

      // Process chunk when it's full or memory limit reached
      if (chunk.length >= this.chunkSize || this.currentMemoryUsage >= this.memoryLimit) {
        const results = await this.processorFn(chunk)

        // Yield results one by one to avoid accumulating in memory
        for (const result of results) {
          yield result
        }

        // Reset chunk and memory tracking
        chunk = []
        this.currentMemoryUsage = 0

        // Force garbage collection hint
        if (global.gc) {
          global.gc()
        }
      }
    }

    // Process remaining items
    if (chunk.length > 0) {
      const results = await this.processorFn(chunk)
      for (const result of results) {
        yield result
      }
    }
  }

  private estimateItemSize(item: T): number {
    // Rough estimation of object size in bytes
    if (typeof item === 'string') {
      return item.length * 2 // UTF-16
    } else if (typeof item === 'number') {
      return 8
    } else if (typeof item === 'object' && item !== null) {
      return JSON.stringify(item).length * 2
    }
    return 8 // default for primitives
  }
}
