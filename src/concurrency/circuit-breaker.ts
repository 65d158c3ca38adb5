/** Calls to an optional dependency that may fail or hang, such as a cache. Its failures never reach the caller. */
import { settleWithin, timedOut } from "./timeout.ts";

/** Default time for one call. Computing a result takes about 0.1 s, so waiting longer for a cache is not worth it. */
const defaultTimeoutMs = 2_000;
/** Default time without calls after a timeout. Without it, every request would wait for a hanging dependency. */
const defaultRestMs = 30_000;

/** What guards the calls to one dependency. */
export interface CircuitBreakerOptions {
  /** Milliseconds that one call may take. Default: 2,000. */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds without calls after a call has timed out. Default: 30,000. */
  readonly restMs?: number;
  /** Receives the name and the error of each failed call. */
  readonly onFailure: (operation: string, error: unknown) => void;
  readonly now?: () => number;
}

/** Circuit breaker: after a call has timed out, it skips all calls for `restMs`. */
export class CircuitBreaker {
  readonly #timeoutMs: number;
  readonly #restMs: number;
  readonly #onFailure: CircuitBreakerOptions["onFailure"];
  readonly #now: () => number;
  #openUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: CircuitBreakerOptions) {
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    this.#restMs = options.restMs ?? defaultRestMs;
    this.#onFailure = options.onFailure;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Returns the result of `call`, or undefined if the call fails, times out or is skipped. Never rejects.
   * @param operation name of the call in the failure report
   */
  async attempt<T>(operation: string, call: () => Promise<T>): Promise<T | undefined> {
    if (this.#now() < this.#openUntilMs) return undefined;
    try {
      const outcome = await settleWithin(call(), this.#timeoutMs);
      if (outcome !== timedOut) return outcome;
      this.#openUntilMs = this.#now() + this.#restMs;
      throw new Error(`no answer within ${this.#timeoutMs} ms; skipped for the next ${this.#restMs} ms`);
    } catch (error) {
      this.#onFailure(operation, error);
      return undefined;
    }
  }
}
