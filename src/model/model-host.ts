/**
 * The model of this isolate: loaded at the first request that needs it, shared by all, one run at a time.
 * A load that fails is forgotten, so the next request tries again.
 */
import { ClassifierError } from "../errors.ts";
import { modelLoadStallMs, runStallMs } from "../limits.ts";
import { type Anchor, type Lead, SingleFlight } from "../single-flight.ts";
import { type Pack, readLiveVersion, readPack, readShard } from "./pack.ts";
import { RunQueue } from "./run-queue.ts";
import type { Runtime } from "./runtime.ts";
import { type ModelOutput, ShardedSession } from "./sharded-session.ts";
import type { PackSource } from "./source.ts";
import { modelUnavailable, stallsAreUnavailable } from "./unavailable.ts";

export interface ModelHostOptions {
  readonly name: string;
  readonly source: PackSource;
  readonly runtime: Runtime;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
  /** Milliseconds without progress after which a load counts as abandoned. */
  readonly stallMs?: number;
  readonly now?: () => number;
}

interface LoadedModel {
  readonly pack: Pack;
  readonly session: ShardedSession;
}

export interface Inference extends ModelOutput {
  /** The pack that made the output: its labels and its version, whatever has gone live since. */
  readonly pack: Pack;
}

export class ModelHost {
  readonly #options: ModelHostOptions;
  readonly #now: () => number;
  readonly #queue: RunQueue;
  readonly #packFlight: SingleFlight<Pack>;
  readonly #loadFlight: SingleFlight<LoadedModel>;
  #pack: Pack | undefined;
  #loaded: LoadedModel | undefined;

  constructor(options: ModelHostOptions) {
    const stallMs = options.stallMs ?? modelLoadStallMs;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#queue = new RunQueue(runStallMs, this.#now);
    this.#packFlight = new SingleFlight(stallMs, this.#now);
    this.#loadFlight = new SingleFlight(stallMs, this.#now);
  }

  /** The live pack without its weights: three R2 reads the first time. Rejects with model_unavailable. */
  async pack(anchor: Anchor): Promise<Pack> {
    if (this.#pack) return this.#pack;
    const read = (lead: Lead) => this.#readPack(lead);
    return (await stallsAreUnavailable("reading the pack", this.#packFlight.run("pack", read, anchor))).value;
  }

  /** Loads the weights if need be. Rejects with model_unavailable. */
  async load(anchor: Anchor): Promise<{ pack: Pack; shards: number }> {
    const { pack, session } = await this.#load(anchor);
    return { pack, shards: session.shards };
  }

  /**
   * One forward pass, after those that came before.
   * @param prepare makes the input tensor for the pack that will run, so that a change of model between cannot mix
   */
  async infer(prepare: (pack: Pack) => Float32Array, anchor: Anchor): Promise<Inference> {
    await this.#load(anchor);
    return this.#queue.run(async () => {
      const { pack, session } = await this.#load(anchor);
      const input = prepare(pack);
      try {
        return { ...(await session.run(input)), pack };
      } catch (cause) {
        await this.#discard(session);
        throw cause instanceof ClassifierError ? cause : modelUnavailable("the forward pass failed", cause);
      }
    });
  }

  /** Bytes of ORT's WASM heap. */
  heapBytes(): number {
    return this.#options.runtime.heapBytes();
  }

  async #load(anchor: Anchor): Promise<LoadedModel> {
    if (this.#loaded) return this.#loaded;
    const start = (lead: Lead) => this.#loadWeights(lead, anchor);
    return (await stallsAreUnavailable("loading it", this.#loadFlight.run("weights", start, anchor))).value;
  }

  async #readPack({ progress, signal }: Lead): Promise<Pack> {
    const { source, name } = this.#options;
    const version = await readLiveVersion(source, name);
    progress();
    const pack = await readPack(source, name, version);
    if (!signal.aborted) this.#pack = pack;
    return pack;
  }

  async #loadWeights({ progress, signal }: Lead, anchor: Anchor): Promise<LoadedModel> {
    const { source, runtime, log } = this.#options;
    const startedMs = this.#now();
    const pack = await this.pack(anchor);
    progress();
    try {
      const session = await ShardedSession.load(pack.manifest, {
        runtime,
        signal,
        onProgress: progress,
        readShard: (shard) => readShard(source, pack.manifest, shard),
      });
      const loaded = { pack, session };
      this.#loaded = loaded;
      log({
        event: "model_loaded",
        model: pack.manifest.name,
        version: pack.manifest.version,
        shards: session.shards,
        r2_reads: source.reads,
        wasm_heap_bytes: runtime.heapBytes(),
        ms: this.#now() - startedMs,
      });
      return loaded;
    } catch (error) {
      if (signal.aborted) throw error;
      // What is live may have changed or been mended: read it again next time.
      this.#pack = undefined;
      log({
        event: "model_load_failed",
        model: pack.manifest.name,
        version: pack.manifest.version,
        reason: error instanceof Error ? error.message : String(error),
        cause: error instanceof Error && error.cause instanceof Error ? error.cause.message : undefined,
      });
      throw error;
    }
  }

  /** After a failed run the sessions are not to be trusted: the next request loads them anew. */
  async #discard(session: ShardedSession): Promise<void> {
    if (this.#loaded?.session === session) this.#loaded = undefined;
    await session.release().catch(() => {});
  }
}
