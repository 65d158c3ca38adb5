/**
 * One model as a chain of ONNX sessions, loaded one after the other. At most two shards are in the JS heap at once, and
 * ORT's heap grows by the peak of one shard instead of the peak of the whole model.
 */
import { freeBytes } from "../bytes/byte-arrays.ts";
import { type Engine, type LoadOptions, type ModelOutput, type ModelSession, stopwatch } from "./engine.ts";
import type { Manifest, Shard } from "./manifest.ts";
import type { Runtime, Session, Tensor } from "./runtime.ts";
import { checkedOutput } from "./scores.ts";
import { modelUnavailable, orUnavailable } from "./unavailable.ts";

/** How to load a model with ONNX Runtime. The next shard is read while a session is created, never further ahead. */
export interface OnnxLoadOptions extends LoadOptions {
  readonly runtime: Runtime;
}

/**
 * Where a load spent its time, in milliseconds, named as in the log. In deployed Workers, clocks do not advance during CPU
 * work, so only waiting shows.
 */
export type LoadTimes = {
  /** Creating ORT's environment, while the first shard is read. */
  readonly start_ms: number;
  /** Waiting for each shard to be read and hashed, in the order of loading: the last shard first. */
  readonly read_ms: readonly number[];
  /** Creating each session, in the same order. */
  readonly session_ms: readonly number[];
  /** The first session's run on zeros. */
  readonly warm_up_ms: number;
};

/** ONNX Runtime as an engine. */
export function onnxRuntimeEngine(runtime: Runtime): Engine {
  return {
    name: "onnxruntime",
    get starts() {
      return runtime.starts;
    },
    heapBytes: () => runtime.heapBytes(),
    load: (manifest, options) => ShardedSession.load(manifest, { ...options, runtime }),
  };
}

/** A model that is loaded in ONNX Runtime. */
export class ShardedSession implements ModelSession {
  readonly times: LoadTimes;
  readonly #manifest: Manifest;
  readonly #sessions: readonly Session[];
  readonly #runtime: Runtime;

  private constructor(manifest: Manifest, sessions: readonly Session[], runtime: Runtime, times: LoadTimes) {
    this.times = times;
    this.#manifest = manifest;
    this.#sessions = sessions;
    this.#runtime = runtime;
  }

  /**
   * Loads the last shard first: its layers have the largest tensors, and the many small ones of the other shards fit into
   * the holes that its creation leaves in ORT's heap. Of all 120 orders of a ResNet34 at 64 pixels, loading the first
   * shard first takes the most: 50 MiB instead of 38 (docs/model-packs.md). A failed load releases all its sessions.
   * @throws ClassifierError model_unavailable, if a shard cannot be read or loaded
   */
  static async load(manifest: Manifest, options: OnnxLoadOptions): Promise<ShardedSession> {
    const { readShard, runtime, onProgress, signal } = options;
    const sessions: Session[] = [];
    const times = { start_ms: 0, read_ms: [] as number[], session_ms: [] as number[], warm_up_ms: 0 };
    // Ignores release errors, so that the caller gets the error of the load.
    const releaseAll = () => Promise.allSettled(sessions.splice(0).map((session) => session.release()));
    // The request that loads may never continue. Whoever takes over aborts, which releases the memory.
    signal?.addEventListener("abort", () => void releaseAll(), { once: true });
    let next: Promise<Uint8Array> | undefined;
    try {
      const shards = manifest.shards.toReversed();
      next = startRead(readShard, shards[0]);
      const lapMs = stopwatch();
      await orUnavailable("ONNX Runtime does not start", () => runtime.start());
      times.start_ms = lapMs();
      for (const [i, shard] of shards.entries()) {
        signal?.throwIfAborted();
        const bytes = (await next) as Uint8Array;
        times.read_ms.push(lapMs());
        signal?.throwIfAborted();
        next = startRead(readShard, shards[i + 1]);
        const session = await createSession(runtime, shard, bytes);
        sessions.unshift(session);
        times.session_ms.push(lapMs());
        freeBytes(bytes);
        signal?.throwIfAborted();
        if (i === 0) {
          await orUnavailable(`${shard.file} does not run in ONNX Runtime`, () => session.warmUp());
          times.warm_up_ms = lapMs();
        }
        signal?.throwIfAborted();
        onProgress?.();
      }
      return new ShardedSession(manifest, [...sessions], runtime, times);
    } catch (error) {
      await next?.catch(() => {});
      await releaseAll();
      throw error;
    }
  }

  /** Number of shards. */
  get shards(): number {
    return this.#sessions.length;
  }

  async run(input: Float32Array): Promise<ModelOutput> {
    const { input: entry, outputs } = this.#manifest;
    let tensors: Readonly<Record<string, Tensor>> = {
      [entry.name]: this.#runtime.float32(input, entry.shape),
    };
    for (const [i, session] of this.#sessions.entries()) {
      const feeds: Record<string, Tensor> = {};
      for (const name of this.#manifest.shards[i]?.inputs ?? []) {
        const tensor = tensors[name];
        if (!tensor)
          throw modelUnavailable(`shard ${i} needs the tensor ${name}, which the shard before it lacks`);
        feeds[name] = tensor;
      }
      // Keeps only what the next shard reads. A cut inside a block carries two tensors, each for one shard.
      tensors = await session.run(feeds);
    }
    return {
      logits: checkedOutput(outputs.logits, tensors[outputs.logits]?.data, this.#manifest.classes),
      features: checkedOutput(outputs.features, tensors[outputs.features]?.data, this.#manifest.feature_size),
    };
  }

  /** Releases all sessions. */
  async release(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.release()));
  }
}

function startRead(
  readShard: LoadOptions["readShard"],
  shard: Shard | undefined,
): Promise<Uint8Array> | undefined {
  const read = shard && readShard(shard);
  // It is awaited later, or never if the session before it fails.
  read?.catch(() => {});
  return read;
}

async function createSession(runtime: Runtime, shard: Shard, bytes: Uint8Array): Promise<Session> {
  const { file, inputs, outputs } = shard;
  const session = await orUnavailable(`${file} does not load in ONNX Runtime`, () =>
    runtime.createSession(bytes),
  );
  if (sameNames(session.inputNames, inputs) && sameNames(session.outputNames, outputs)) return session;
  await session.release().catch(() => {});
  throw modelUnavailable(
    `${file} maps ${session.inputNames} to ${session.outputNames}; the manifest says ${inputs} to ${outputs}; pack and push again`,
  );
}

function sameNames(actual: readonly string[], expected: readonly string[]): boolean {
  return actual.length === expected.length && expected.every((name) => actual.includes(name));
}
