/**
 * One model as a chain of ONNX sessions, loaded one after the other. At most two shards are in the JS heap at once, and
 * ORT's heap grows by the peak of one shard instead of the peak of the whole model.
 */
import { freeBytes } from "../bytes/byte-arrays.ts";
import type { Manifest, Shard } from "./manifest.ts";
import type { Runtime, Session, Tensor } from "./runtime.ts";
import { modelUnavailable, orUnavailable } from "./unavailable.ts";

/** What a forward pass computes. */
export interface ModelOutput {
  /** [classes], raw. */
  readonly logits: Float32Array;
  /** [feature_size], pooled, before the last layer. */
  readonly features: Float32Array;
}

/** How to load a model. */
export interface LoadOptions {
  /** Returns the checked bytes of one shard. Called for the next shard while a session is created, never further ahead. */
  readonly readShard: (shard: Shard) => Promise<Uint8Array>;
  readonly runtime: Runtime;
  /** Called after each shard. */
  readonly onProgress?: () => void;
  /** Aborts the load between two steps and releases the sessions created so far. */
  readonly signal?: AbortSignal;
}

/**
 * Where a load spent its time, in milliseconds, named as in the log. In deployed Workers, clocks do not advance during CPU
 * work, so only waiting shows.
 */
export interface LoadTimes {
  /** Creating ORT's environment, while the first shard is read. */
  readonly start_ms: number;
  /** Waiting for each shard to be read and hashed, in the order of loading: the last shard first. */
  readonly read_ms: readonly number[];
  /** Creating each session, in the same order. */
  readonly session_ms: readonly number[];
  /** The first session's run on zeros. */
  readonly warm_up_ms: number;
}

/** A loaded model. */
export class ShardedSession {
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
  static async load(manifest: Manifest, options: LoadOptions): Promise<ShardedSession> {
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

  /**
   * Runs one forward pass. Not reentrant: callers use a RunQueue.
   * @param input Float32Array of the manifest's input shape, NCHW, normalised
   * @throws ClassifierError model_unavailable, if the output is missing, of the wrong length or not finite
   */
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
      logits: floats(tensors, outputs.logits, this.#manifest.classes),
      features: floats(tensors, outputs.features, this.#manifest.feature_size),
    };
  }

  /** Releases all sessions. */
  async release(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.release()));
  }
}

/** Returns a function that returns the milliseconds since its last call. */
function stopwatch(): () => number {
  let lastMs = performance.now();
  return () => {
    const startedMs = lastMs;
    lastMs = performance.now();
    return Math.round(lastMs - startedMs);
  };
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

function floats(tensors: Readonly<Record<string, Tensor>>, name: string, length: number): Float32Array {
  const data = tensors[name]?.data;
  if (!(data instanceof Float32Array) || data.length !== length) {
    throw modelUnavailable(
      `the model's output ${name} has ${data?.length ?? "no"} values; expected ${length}`,
    );
  }
  // Weights or a preprocessing that do not belong together cause this. An error is better than a wrong answer.
  if (!data.every(Number.isFinite)) throw modelUnavailable(`the model's output ${name} is not finite`);
  return data;
}
