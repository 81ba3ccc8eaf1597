// From memory-management-patterns.md, "Object Pool Pattern": the code as it stands there.
// Reusable object pool to reduce GC pressure
export class ObjectPool<T> {
  private pool: T[] = []
  private factory: () => T
  private reset: (obj: T) => void
  private maxSize: number

  constructor(
    factory: () => T,
    reset: (obj: T) => void,
    initialSize: number = 10,
    maxSize: number = 100,
  ) {
    this.factory = factory
    this.reset = reset
    this.maxSize = maxSize

    // Pre-populate pool
    for (let i = 0; i < initialSize; i++) {
      this.pool.push(factory())
    }
  }

  acquire(): T {
    const obj = this.pool.pop()
    if (obj) {
      return obj
    }

    // Pool exhausted, create new object
    return this.factory()
  }

  release(obj: T): void {
    if (this.pool.length >= this.maxSize) {
      // Pool is full, let object be garbage collected
      return
    }

    // Reset object state
    this.reset(obj)

    // Return to pool
    this.pool.push(obj)
  }

  clear(): void {
    this.pool.length = 0
  }

  get size(): number {
    return this.pool.length
  }
}

// Example: HTTP Request object pool
interface HttpRequest {
  method: string
  url: string
  headers: Map<string, string>
  body: any
  timestamp: number
}

export class HttpRequestPool {
  private pool = new ObjectPool<HttpRequest>(
    () => ({
      method: '',
      url: '',
      headers: new Map(),
      body: null,
      timestamp: 0,
    }),
    req => {
      req.method = ''
      req.url = ''
      req.headers.clear()
      req.body = null
      req.timestamp = 0
    },
    50, // initial size
    200, // max size
  )

  createRequest(method: string, url: string): HttpRequest {
    const request = this.pool.acquire()
    request.method = method
    request.url = url
    request.timestamp = Date.now()
    return request
  }

  releaseRequest(request: HttpRequest): void {
    this.pool.release(request)
  }
}
