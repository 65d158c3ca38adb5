/** Samples the memory of a Worker while requests are under way. */
import { setTimeout as sleep } from "node:timers/promises";
import { type DevWorker, Inspector } from "../../cli/workerd/dev-worker.ts";
import { ortHeapBytes } from "./requests.ts";

/** One sample, in bytes. */
export interface MemorySample {
  /** Milliseconds since the watch started. */
  readonly atMs: number;
  /** JS objects, including uncollected garbage. */
  readonly usedBytes: number;
  /** ArrayBuffers, including uncollected garbage. */
  readonly bufferBytes: number;
  /** ONNX Runtime's WASM heap, the only WASM memory of the isolate. */
  readonly ortBytes: number;
  /** Resident size of the workerd process. Undefined in most samples, and off Linux. */
  readonly processBytes: number | undefined;
}

/** A running watch. */
export type MemoryWatch = Awaited<ReturnType<typeof watchMemory>>;

/**
 * Loads the model and begins to sample.
 * @param processEvery reads the resident size in one of this many samples, because reading /proc takes a while
 * @throws Error when the inspector refuses the connection
 */
export async function watchMemory(
  worker: DevWorker,
  { everyMs, processEvery }: { readonly everyMs: number; readonly processEvery: number },
) {
  const samples: MemorySample[] = [];
  const ortBytes = await ortHeapBytes(worker.url);
  const inspector = await Inspector.connect(worker.inspectorPort);
  const startedMs = performance.now();
  let isStopped = false;
  const sample = async () => {
    for (let i = 0; !isStopped; i++) {
      const { usedSize, backingStorageSize } = await inspector.heapUsage();
      const processBytes = i % processEvery === 0 ? await worker.processBytes() : undefined;
      const atMs = performance.now() - startedMs;
      samples.push({ atMs, usedBytes: usedSize, bufferBytes: backingStorageSize, ortBytes, processBytes });
      await sleep(everyMs);
    }
  };
  const sampling = sample().finally(() => inspector.close());
  // stop() reports the error.
  sampling.catch(() => {});
  return {
    /** The samples so far. */
    samples,
    /** Ends the watch and returns all samples. @throws Error when the Worker could not be sampled */
    async stop(): Promise<MemorySample[]> {
      isStopped = true;
      await sampling;
      // ONNX Runtime's heap only grows. Its size at the end is an upper bound for every sample.
      const endBytes = await ortHeapBytes(worker.url);
      return samples.map((one) => ({ ...one, ortBytes: endBytes }));
    },
  };
}

/** Runs `work`. @returns its result, and the largest sum of JS objects and ArrayBuffers meanwhile, in bytes */
export async function withPeakJsBytes<T>(worker: DevWorker, work: () => Promise<T>): Promise<[T, number]> {
  const watch = await watchMemory(worker, { everyMs: 20, processEvery: Number.POSITIVE_INFINITY });
  const result = await work().finally(() => watch.stop());
  const sums = watch.samples.map(({ usedBytes, bufferBytes }) => usedBytes + bufferBytes);
  return [result, Math.max(0, ...sums)];
}
