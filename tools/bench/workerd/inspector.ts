/** The isolate's JS heap, by the inspector's Runtime.getHeapUsage. It answers between synchronous work only. */

export interface HeapUsage {
  /** Bytes of live and not yet collected JS objects. */
  readonly usedSize: number;
  /** Bytes of ArrayBuffers, WebAssembly memories excluded. */
  readonly backingStorageSize: number;
}

export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown };
      if (id === undefined) return;
      this.#waiting.get(id)?.resolve(result);
      this.#waiting.delete(id);
    });
    socket.addEventListener("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the inspector hung up"));
    });
  }

  static async connect(port: number): Promise<Inspector> {
    // wrangler refuses connections without an Origin. Node's WebSocket takes headers where the standard has protocols.
    const options = { headers: { Origin: "http://127.0.0.1" } } as unknown as string[];
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, options);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve, { once: true });
      socket.addEventListener("error", () => reject(new Error("the inspector refuses the connection")), {
        once: true,
      });
    });
    return new Inspector(socket);
  }

  heapUsage(): Promise<HeapUsage> {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#socket.send(JSON.stringify({ id, method: "Runtime.getHeapUsage" }));
    return answer.promise as Promise<HeapUsage>;
  }

  close(): void {
    this.#socket.close();
  }
}

/** Largest usedSize + backingStorageSize seen while `work` runs. */
export async function peakJsBytes(port: number, work: () => Promise<void>, everyMs = 20): Promise<number> {
  const inspector = await Inspector.connect(port);
  let peak = 0;
  let working = true;
  const watch = async () => {
    while (working) {
      const { usedSize, backingStorageSize } = await inspector.heapUsage();
      peak = Math.max(peak, usedSize + backingStorageSize);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  };
  try {
    const watching = watch();
    await work().finally(() => {
      working = false;
    });
    await watching;
    return peak;
  } finally {
    inspector.close();
  }
}
