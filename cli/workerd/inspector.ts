/** Measures an isolate's JS heap with the inspector's Runtime.getHeapUsage, which answers only between synchronous work. */
import { setTimeout as sleep } from "node:timers/promises";

/** Sizes that the inspector reports. */
export interface HeapUsage {
  /** Bytes of JS objects, including those that are not collected yet. */
  readonly usedSize: number;
  /** Bytes of ArrayBuffers, without WebAssembly memories. */
  readonly backingStorageSize: number;
}

/** A connection to the inspector of one isolate. */
export class Inspector {
  readonly #socket: WebSocket;
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** @throws Error when the inspector refuses the connection */
  static async connect(port: number): Promise<Inspector> {
    // wrangler requires an Origin. Node's WebSocket accepts headers in place of the standard's protocols.
    const options = { headers: { Origin: "http://127.0.0.1" } } as unknown as string[];
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, options);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error("the inspector refuses the connection"));
    });
    return new Inspector(socket);
  }

  /** Asks for the current sizes. */
  async heapUsage(): Promise<HeapUsage> {
    const id = ++this.#lastId;
    const answered = new AbortController();
    const { signal } = answered;
    const answer = new Promise<HeapUsage>((resolve, reject) => {
      const listen = ({ data }: MessageEvent) => {
        const message = JSON.parse(String(data)) as { id?: number; result: HeapUsage };
        if (message.id === id) resolve(message.result);
      };
      this.#socket.addEventListener("message", listen, { signal });
      const closed = new Error("the inspector closed the connection");
      this.#socket.addEventListener("close", () => reject(closed), { signal });
    });
    this.#socket.send(JSON.stringify({ id, method: "Runtime.getHeapUsage" }));
    return answer.finally(() => answered.abort());
  }

  /** Closes the connection. */
  close(): void {
    this.#socket.close();
  }
}

/** Runs `work` and returns the largest usedSize + backingStorageSize in the meantime. */
export async function peakJsBytes(port: number, work: () => Promise<void>, everyMs = 20): Promise<number> {
  const inspector = await Inspector.connect(port);
  let peak = 0;
  let working = true;
  const watch = async () => {
    while (working) {
      const { usedSize, backingStorageSize } = await inspector.heapUsage();
      peak = Math.max(peak, usedSize + backingStorageSize);
      await sleep(everyMs);
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
