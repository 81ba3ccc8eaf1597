// From memory-management-patterns.md, "Memory Usage Tracking": the code as it stands there.
// Memory usage monitor with alerts
export class MemoryMonitor {
  private checkInterval: NodeJS.Timeout | null = null
  private listeners: Array<(usage: MemoryUsage) => void> = []
  private thresholds = {
    warning: 0.8, // 80% of heap limit
    critical: 0.9, // 90% of heap limit
  }

  start(intervalMs: number = 5000): void {
    if (this.checkInterval) return

    this.checkInterval = setInterval(() => {
      this.checkMemoryUsage()
    }, intervalMs)
  }

  stop(): void {
    if (this.checkInterval) {
      clearInterval(this.checkInterval)
      this.checkInterval = null
    }
  }

  onMemoryUsage(listener: (usage: MemoryUsage) => void): void {
    this.listeners.push(listener)
  }

  private checkMemoryUsage(): void {
    const usage = process.memoryUsage()
    const heapLimit = this.getHeapLimit()

    const memoryInfo: MemoryUsage = {
      ...usage,
      heapUsedPercent: usage.heapUsed / heapLimit,
      heapLimit,
      timestamp: Date.now(),
    }

    // Check thresholds
    if (memoryInfo.heapUsedPercent >= this.thresholds.critical) {
      this.handleCriticalMemory(memoryInfo)
    } else if (memoryInfo.heapUsedPercent >= this.thresholds.warning) {
      this.handleWarningMemory(memoryInfo)
    }

    // Notify listeners
    this.listeners.forEach(listener => listener(memoryInfo))
  }

  private handleWarningMemory(usage: MemoryUsage): void {
    console.warn('Memory usage warning:', {
      heapUsed: `${Math.round(usage.heapUsed / 1024 / 1024)}MB`,
      heapTotal: `${Math.round(usage.heapTotal / 1024 / 1024)}MB`,
      percentage: `${Math.round(usage.heapUsedPercent * 100)}%`,
    })

    // Suggest garbage collection
    if (global.gc) {
      global.gc()
    }
  }

  private handleCriticalMemory(usage: MemoryUsage): void {
    console.error('Critical memory usage:', {
      heapUsed: `${Math.round(usage.heapUsed / 1024 / 1024)}MB`,
      heapTotal: `${Math.round(usage.heapTotal / 1024 / 1024)}MB`,
      percentage: `${Math.round(usage.heapUsedPercent * 100)}%`,
    })

    // Force garbage collection
    if (global.gc) {
      global.gc()
    }

    // Emit critical memory event
    process.emit('memoryPressure', usage)
  }

  private getHeapLimit(): number {
    // V8 heap size limit (can be set with --max-old-space-size)
    return require('v8').getHeapStatistics().heap_size_limit
  }
}

interface MemoryUsage extends NodeJS.MemoryUsage {
  heapUsedPercent: number
  heapLimit: number
  timestamp: number
}
