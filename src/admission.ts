/**
 * Bytes of request bodies in flight, bounded. A request takes a permit weighted by its bytes before its body is read,
 * waits unread, in turn, when none is free, and is refused at once when too many wait. Pure but for timers.
 */
import { ClassifierError } from "./errors.ts";
import { retryAfterSeconds } from "./limits.ts";
import { settleWithin, timedOut } from "./timeout.ts";

export interface Permit {
  /** Gives back what turned out not to be needed: the body was shorter than announced. */
  shrinkTo(bytes: number): void;
  /** Idempotent. */
  release(): void;
}

export interface AdmissionOptions {
  /** Bytes that permits may add up to. */
  readonly capacityBytes: number;
  /** Requests that may wait. */
  readonly maxWaiting: number;
  /** Milliseconds that a request may wait. */
  readonly maxWaitMs: number;
  /** Milliseconds after which a permit is taken back: its request was cancelled and could not return it. */
  readonly leaseMs: number;
  readonly now?: () => number;
}

interface Holder {
  bytes: number;
  readonly expiresMs: number;
}

interface Waiter {
  readonly bytes: number;
  readonly grant: (permit: Permit) => void;
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #now: () => number;
  readonly #holders = new Set<Holder>();
  readonly #waiters: Waiter[] = [];
  #heldBytes = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  /**
   * Waits for `bytes`, which must not exceed the capacity. Requests are served in the order in which they came.
   * @param signal aborts the wait: the client has gone, and its place is free
   * @throws ClassifierError overloaded, when too many wait, or after maxWaitMs; body_interrupted, when the client goes
   */
  async acquire(bytes: number, signal?: AbortSignal): Promise<Permit> {
    const { capacityBytes, maxWaiting, maxWaitMs } = this.#options;
    if (!(bytes >= 0 && bytes <= capacityBytes)) {
      throw new RangeError(`cannot admit ${bytes} bytes; expected 0 to ${capacityBytes}`);
    }
    this.#reclaim();
    if (this.#waiters.length === 0 && this.#fits(bytes)) return this.#grant(bytes);
    if (this.#waiters.length >= maxWaiting) {
      throw this.#overloaded(`${maxWaiting} requests wait already, as many as may`);
    }
    if (signal?.aborted) throw clientGone();
    return this.#wait(bytes, maxWaitMs, signal);
  }

  async #wait(bytes: number, maxWaitMs: number, signal: AbortSignal | undefined): Promise<Permit> {
    let leave = (_: unknown) => {};
    let waiter: Waiter | undefined;
    const turn = new Promise<Permit>((grant, reject) => {
      leave = reject;
      waiter = { bytes, grant };
      this.#waiters.push(waiter);
    });
    const onAbort = () => leave(clientGone());
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const permit = await settleWithin(turn, maxWaitMs);
      if (permit === timedOut) throw this.#overloaded(`there was no room within ${maxWaitMs} ms`);
      return permit;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      const place = this.#waiters.indexOf(waiter as Waiter);
      if (place >= 0) this.#waiters.splice(place, 1);
      // Whoever left may have stood before somebody who fits; and leases may have run out meanwhile.
      this.#reclaim();
      this.#serve();
    }
  }

  #grant(bytes: number): Permit {
    const holder: Holder = { bytes, expiresMs: this.#now() + this.#options.leaseMs };
    this.#holders.add(holder);
    this.#heldBytes += bytes;
    return {
      shrinkTo: (smaller) => {
        if (!this.#holders.has(holder) || smaller >= holder.bytes) return;
        this.#heldBytes -= holder.bytes - smaller;
        holder.bytes = smaller;
        this.#serve();
      },
      release: () => {
        this.#release(holder);
        this.#serve();
      },
    };
  }

  #release(holder: Holder): void {
    if (this.#holders.delete(holder)) this.#heldBytes -= holder.bytes;
  }

  /** Takes back the permits of requests that are gone for good. */
  #reclaim(): void {
    const nowMs = this.#now();
    for (const holder of this.#holders) if (holder.expiresMs <= nowMs) this.#release(holder);
  }

  #serve(): void {
    for (let next = this.#waiters[0]; next && this.#fits(next.bytes); next = this.#waiters[0]) {
      this.#waiters.shift();
      next.grant(this.#grant(next.bytes));
    }
  }

  #fits(bytes: number): boolean {
    return this.#heldBytes + bytes <= this.#options.capacityBytes;
  }

  #overloaded(detail: string): ClassifierError {
    const [waiting, limit] = [this.#waiters.length, this.#options.maxWaiting];
    return new ClassifierError({ code: "overloaded", detail, waiting, limit, retryAfterSeconds });
  }
}

function clientGone(): ClassifierError {
  return new ClassifierError({ code: "body_interrupted", bytes: 0, detail: "the client went away" });
}
