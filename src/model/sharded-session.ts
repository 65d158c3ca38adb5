/**
 * One model as a chain of ONNX sessions, loaded one after the other, so that no more than two shards stand in
 * the JS heap and ORT's heap grows by one shard's peak instead of the whole model's.
 */
import { freeBytes } from "../bytes/free-bytes.ts";
import type { Manifest, Shard } from "./manifest.ts";
import type { Runtime, Session, Tensor } from "./runtime.ts";
import { modelUnavailable } from "./unavailable.ts";

/** logits: Float32Array [classes], raw. features: Float32Array [feature_size], pooled, before the last layer. */
export interface ModelOutput {
  readonly logits: Float32Array;
  readonly features: Float32Array;
}

export interface LoadOptions {
  /** The checked bytes of one shard. Called for the next shard while a session is made, never further ahead. */
  readonly readShard: (shard: Shard) => Promise<Uint8Array>;
  readonly runtime: Runtime;
  readonly onProgress?: (loadedShards: number) => void;
  /** Aborts between two steps; the sessions made so far are released. */
  readonly signal?: AbortSignal;
}

/** Where a load spent its time, in milliseconds. Deployed, clocks stand still during CPU work: only waiting shows. */
export interface LoadTimes {
  /** Making ORT's environment, while the first shard is read. */
  readonly startMs: number;
  /** Waiting for each shard to be read and hashed, in the order of loading: the last shard first. */
  readonly readMs: readonly number[];
  /** Making each session, in the same order. */
  readonly sessionMs: readonly number[];
  /** The first session's run on zeros. */
  readonly warmUpMs: number;
}

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
   * The last shard first: its layers have the largest tensors, and the many small ones of the shards before it fit into the
   * holes that its making leaves in ORT's heap. Of all 120 orders of the embedded pack, the first shard first takes the
   * most: 50 MiB in place of 38 (docs/model-packs.md).
   * Rejects with model_unavailable when a shard cannot be read or made a session; nothing stays behind.
   */
  static async load(manifest: Manifest, options: LoadOptions): Promise<ShardedSession> {
    const { readShard, runtime, onProgress, signal } = options;
    const sessions: Session[] = [];
    const times = { startMs: 0, readMs: [] as number[], sessionMs: [] as number[], warmUpMs: 0 };
    // A session that cannot be released is lost with its environment: what made the load fail is the news.
    const releaseAll = () => Promise.allSettled(sessions.splice(0).map((session) => session.release()));
    // The request that loads may be gone for good: whoever takes over aborts, and so gives the memory back.
    signal?.addEventListener("abort", () => void releaseAll(), { once: true });
    let next: Promise<Uint8Array> | undefined;
    try {
      const shards = manifest.shards.toReversed();
      next = startRead(readShard, shards[0]);
      times.startMs = (await timed(() => startRuntime(runtime))).ms;
      signal?.throwIfAborted();
      for (const [i, shard] of shards.entries()) {
        const pending = next;
        const { value: bytes, ms: readMs } = await timed(async () => pending as Promise<Uint8Array>);
        times.readMs.push(readMs);
        signal?.throwIfAborted();
        next = startRead(readShard, shards[i + 1]);
        const { value: session, ms: sessionMs } = await timed(() => createSession(runtime, shard, bytes));
        sessions.unshift(session);
        times.sessionMs.push(sessionMs);
        freeBytes(bytes);
        signal?.throwIfAborted();
        if (i === 0) times.warmUpMs = (await timed(() => warmUp(session, shard))).ms;
        signal?.throwIfAborted();
        onProgress?.(i + 1);
      }
      return new ShardedSession(manifest, [...sessions], runtime, times);
    } catch (error) {
      await next?.catch(() => {});
      await releaseAll();
      throw error;
    }
  }

  get shards(): number {
    return this.#sessions.length;
  }

  /**
   * One forward pass. Not reentrant: callers go through a RunQueue.
   * @param input Float32Array of the manifest's input shape, NCHW, normalised
   */
  async run(input: Float32Array): Promise<ModelOutput> {
    const { input: entry, outputs } = this.#manifest;
    let tensors: Record<string, Tensor> = { [entry.name]: this.#runtime.float32(input, entry.shape) };
    for (const [i, session] of this.#sessions.entries()) {
      const feeds: Record<string, Tensor> = {};
      for (const name of this.#manifest.shards[i]?.inputs ?? []) {
        const tensor = tensors[name];
        if (!tensor)
          throw modelUnavailable(`shard ${i} needs the tensor ${name}, which no shard before it makes`);
        feeds[name] = tensor;
      }
      // Only what the next shard reads is kept: a cut inside a block carries two tensors, once.
      tensors = { ...(await session.run(feeds)) };
    }
    return {
      logits: floats(tensors, outputs.logits, this.#manifest.classes),
      features: floats(tensors, outputs.features, this.#manifest.feature_size),
    };
  }

  async release(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.release()));
  }
}

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const startedMs = performance.now();
  const value = await work();
  return { value, ms: Math.round(performance.now() - startedMs) };
}

function startRead(
  readShard: (shard: Shard) => Promise<Uint8Array>,
  shard: Shard | undefined,
): Promise<Uint8Array> | undefined {
  if (!shard) return undefined;
  const read = readShard(shard);
  // It is awaited later, or not at all when the session before it fails.
  read.catch(() => {});
  return read;
}

async function startRuntime(runtime: Runtime): Promise<void> {
  try {
    await runtime.start();
  } catch (cause) {
    throw modelUnavailable("ONNX Runtime does not start", cause);
  }
}

async function createSession(runtime: Runtime, shard: Shard, bytes: Uint8Array): Promise<Session> {
  let session: Session;
  try {
    session = await runtime.createSession(bytes);
  } catch (cause) {
    throw modelUnavailable(`${shard.file} does not load in ONNX Runtime`, cause);
  }
  if (!sameNames(session.inputNames, shard.inputs) || !sameNames(session.outputNames, shard.outputs)) {
    await session.release().catch(() => {});
    throw modelUnavailable(
      `${shard.file} maps ${session.inputNames} to ${session.outputNames}; the manifest says ${shard.inputs} to ${shard.outputs}`,
    );
  }
  return session;
}

async function warmUp(session: Session, shard: Shard): Promise<void> {
  try {
    await session.warmUp();
  } catch (cause) {
    throw modelUnavailable(`${shard.file} does not run in ONNX Runtime`, cause);
  }
}

function sameNames(actual: readonly string[], expected: readonly string[]): boolean {
  return actual.length === expected.length && expected.every((name) => actual.includes(name));
}

function floats(tensors: Record<string, Tensor>, name: string, length: number): Float32Array {
  const data = tensors[name]?.data;
  if (!(data instanceof Float32Array) || data.length !== length) {
    throw modelUnavailable(
      `the model's output ${name} has ${data?.length ?? "no"} values; expected ${length}`,
    );
  }
  // No answer is better than a wrong one: they come from weights or a preprocessing that are not a model's.
  if (!data.every(Number.isFinite)) throw modelUnavailable(`the model's output ${name} is not finite`);
  return data;
}
