/** Calls to an optional dependency that may fail or hang, such as a cache. Its failures never reach the caller. */
import { settleWithin, timedOut } from "./timeout.ts";

export interface CircuitBreakerOptions {
  /** Milliseconds that one call may take. */
  readonly timeoutMs: number;
  /** Milliseconds during which no calls are made after one has timed out. */
  readonly restMs: number;
  /** Receives the name and the error of each failed call. */
  readonly onFailure: (operation: string, error: unknown) => void;
  readonly now?: () => number;
}

/**
 * Circuit breaker: after a call has timed out, it skips all calls for `restMs`, so that one hanging dependency does not
 * delay every request.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  readonly #now: () => number;
  #openUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Returns the result of `call`, or undefined if the call fails, times out or is skipped. Never rejects.
   * @param operation name of the call in the failure report
   */
  async attempt<T>(operation: string, call: () => Promise<T>): Promise<T | undefined> {
    if (this.#now() < this.#openUntilMs) return undefined;
    const { timeoutMs, restMs, onFailure } = this.#options;
    try {
      const outcome = await settleWithin(call(), timeoutMs);
      if (outcome !== timedOut) return outcome;
      this.#openUntilMs = this.#now() + restMs;
      throw new Error(`no answer within ${timeoutMs} ms; skipped for the next ${restMs} ms`);
    } catch (error) {
      onFailure(operation, error);
      return undefined;
    }
  }
}
