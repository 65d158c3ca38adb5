/** Bounded waiting. Imports nothing. */

export const timedOut = Symbol("timedOut");

/** What `promise` settles to, or `timedOut` when that takes longer than `timeoutMs`. The promise goes on. */
export async function settleWithin<T>(promise: Promise<T>, timeoutMs: number): Promise<T | typeof timedOut> {
  let wake = (_: typeof timedOut) => {};
  const elapsed = new Promise<typeof timedOut>((resolve) => {
    wake = resolve;
  });
  const timer = setTimeout(() => wake(timedOut), timeoutMs);
  try {
    return await Promise.race([promise, elapsed]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * settleWithin for one promise after the other, with a single timer: the thousands of reads of a large body would else
 * leave as many timers and races to the garbage collector.
 */
export class IdleTimer {
  readonly #idleMs: number;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Of the wait under way. */
  #startedMs = 0;
  #giveUp: (() => void) | undefined;

  constructor(idleMs: number, now: () => number = Date.now) {
    this.#idleMs = idleMs;
    this.#now = now;
  }

  /** What `promise` settles to, or `timedOut` when that takes longer than `idleMs`. One wait at a time. */
  settle<T>(promise: Promise<T>): Promise<T | typeof timedOut> {
    return new Promise((resolve, reject) => {
      this.#startedMs = this.#now();
      this.#giveUp = () => resolve(timedOut);
      this.#timer ??= setTimeout(this.#look, this.#idleMs);
      promise.then(resolve, reject);
    });
  }

  /** To be called when no more is waited for. */
  stop(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#giveUp = undefined;
  }

  readonly #look = () => {
    const remainingMs = this.#startedMs + this.#idleMs - this.#now();
    if (remainingMs > 0) this.#timer = setTimeout(this.#look, remainingMs);
    else this.#giveUp?.();
  };
}
