/** The interface of an engine, which loads a model from its shards and runs it: ONNX Runtime, or the one in simd/. */
import type { Manifest, Shard } from "./manifest.ts";

/** The engines, as the variable ENGINE names them. */
export const engineNames = ["simd", "onnxruntime"] as const;
/** One of engineNames. */
export type EngineName = (typeof engineNames)[number];

/** Runs what it supports, and leaves the rest to ONNX Runtime. */
export const defaultEngine: EngineName = "simd";

/** Loads models into its WASM memory. One model at a time, one engine of each kind per isolate. */
export interface Engine {
  readonly name: EngineName;
  /** Instances of its WASM module so far. More than one means that there were traps. */
  readonly starts: number;
  /** Bytes of its WASM memory, which never shrinks. 0 before the first load. */
  heapBytes(): number;
  /**
   * Loads a model. The one before it must be released. A failed load releases everything.
   * @throws ClassifierError model_unavailable, if a shard cannot be read or loaded
   * @throws UnsupportedGraphError if the engine does not compute what the shards contain
   */
  load(manifest: Manifest, options: LoadOptions): Promise<ModelSession>;
}

/** How to load a model. */
export interface LoadOptions {
  /** Returns the checked bytes of one shard. Not called before there is memory for the shard. */
  readonly readShard: (shard: Shard) => Promise<Uint8Array>;
  /** Called after each shard. */
  readonly onProgress?: () => void;
  /** Aborts the load between two steps and releases what is loaded. */
  readonly signal?: AbortSignal;
}

/** A loaded model. */
export interface ModelSession {
  /** Number of shards. */
  readonly shards: number;
  /** Where the load spent its time, in milliseconds, named as in the log. */
  readonly times: Readonly<Record<string, number | readonly number[]>>;
  /**
   * Runs one forward pass. Not reentrant: callers use a RunQueue.
   * @param input Float32Array of the manifest's input shape, NCHW, normalised
   * @throws ClassifierError model_unavailable, if the output is missing, of the wrong length or not finite
   */
  run(input: Float32Array): Promise<ModelOutput>;
  /** Returns the memory to the engine. */
  release(): Promise<void>;
}

/** What a forward pass computes. */
export interface ModelOutput {
  /** [classes], raw. */
  readonly logits: Float32Array;
  /** [feature_size], pooled, before the last layer. */
  readonly features: Float32Array;
}

/** A graph contains what an engine does not compute. Another engine may. */
export class UnsupportedGraphError extends Error {}

/** Returns a function that returns the milliseconds since its last call. */
export function stopwatch(): () => number {
  let lastMs = performance.now();
  return () => {
    const startedMs = lastMs;
    lastMs = performance.now();
    return Math.round(lastMs - startedMs);
  };
}
