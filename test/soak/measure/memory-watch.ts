/** Looks at the Worker's memory again and again while others send to it. */
import { setTimeout as wait } from "node:timers/promises";
import type { DevWorker } from "../../../cli/workerd/dev-worker.ts";
import { Inspector } from "../../../cli/workerd/inspector.ts";
import type { MemorySample } from "./memory.ts";

const everyMs = 100;
/** Reading /proc takes a while: not at every look. */
const processEvery = 10;

export class MemoryWatch {
  readonly samples: MemorySample[] = [];
  readonly #worker: DevWorker;
  #watching: Promise<void> | undefined;
  #stopped = false;

  constructor(worker: DevWorker) {
    this.#worker = worker;
  }

  start(): void {
    this.#watching = this.#watch();
    // Told by stop().
    this.#watching.catch(() => {});
  }

  /** Rejects when the Worker could not be looked at. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const startedMs = performance.now();
    const ortBytes = await heapOf(this.#worker.url);
    const inspector = await Inspector.connect(this.#worker.inspectorPort);
    try {
      for (let i = 0; !this.#stopped; i++) {
        const { usedSize, backingStorageSize } = await inspector.heapUsage();
        this.samples.push({
          atMs: performance.now() - startedMs,
          usedBytes: usedSize,
          bufferBytes: backingStorageSize,
          ortBytes,
          processBytes: i % processEvery === 0 ? await this.#worker.processBytes() : undefined,
        });
        await wait(everyMs);
      }
    } finally {
      inspector.close();
    }
    const endBytes = await heapOf(this.#worker.url);
    // ORT's heap only grows, and is asked for rarely: that of the end counts for all.
    for (const [i, sample] of this.samples.entries()) this.samples[i] = { ...sample, ortBytes: endBytes };
  }
}

async function heapOf(origin: string): Promise<number> {
  const response = await fetch(`${origin}/readyz`);
  return ((await response.json()) as { wasm_heap_bytes: number }).wasm_heap_bytes;
}
