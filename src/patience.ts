/**
 * Calls to something that may hang. Each is given up after a time; after one that was, none is made for a while, so that
 * not every request waits for it anew. Pure but for timers.
 */
import { settleWithin, timedOut } from "./timeout.ts";

export interface PatienceOptions {
  /** Milliseconds that a call may take. */
  readonly timeoutMs: number;
  /** Milliseconds without calls after one that took longer. */
  readonly restMs: number;
  readonly now?: () => number;
}

export class Patience {
  readonly #options: PatienceOptions;
  readonly #now: () => number;
  #restUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: PatienceOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** What the call gives; undefined, without a call, while resting. Rejects as the call does, and when it takes too long. */
  async attempt<T>(call: () => Promise<T>): Promise<T | undefined> {
    if (this.#now() < this.#restUntilMs) return undefined;
    const { timeoutMs, restMs } = this.#options;
    const outcome = await settleWithin(call(), timeoutMs);
    if (outcome !== timedOut) return outcome;
    this.#restUntilMs = this.#now() + restMs;
    throw new Error(`no answer within ${timeoutMs} ms; not asked for the next ${restMs} ms`);
  }
}
