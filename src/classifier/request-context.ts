/** What the scoring of one request carries with it, whatever the transport. */
import type { ClassifierError } from "../errors.ts";
import type { DecodeScale } from "../image/choose-scale.ts";

/** Where a result came from: the cache, a computation, or that of an equal image in another request. */
export type CacheStatus = "HIT" | "MISS" | "COALESCED";

/** Fields of the request's log line. Scoring fills them in; the adapter writes the line. */
export interface RequestFacts {
  /** Code of the error, where there was one. */
  code?: string;
  cache?: CacheStatus;
  /** Bytes of all images. */
  bytes?: number;
  decode?: DecodeScale | undefined;
  /** Model that answered, as name/version. */
  model?: string;
  /** Head that answered, as name/version. */
  head?: string;
  error?: ClassifierError;
}

export interface RequestContext {
  /** Aborted when the caller disconnects. */
  readonly signal?: AbortSignal | undefined;
  readonly stages: Stages;
  readonly facts: RequestFacts;
}

/**
 * Milliseconds that each stage of a request took. In deployed Workers, clocks do not advance during CPU work, so only
 * waiting shows there. Local runs show both.
 */
export class Stages {
  readonly #ms = new Map<string, number>();

  /** Runs `work` and adds its duration to `stage`. */
  async time<T>(stage: string, work: () => T | Promise<T>): Promise<T> {
    const startedMs = performance.now();
    try {
      return await work();
    } finally {
      this.#ms.set(stage, (this.#ms.get(stage) ?? 0) + performance.now() - startedMs);
    }
  }

  /** Stage to milliseconds, in the order in which the stages first ended. */
  entries(): IterableIterator<[string, number]> {
    return this.#ms.entries();
  }
}
