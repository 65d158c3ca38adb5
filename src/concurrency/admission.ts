/**
 * Bounds the memory of all requests in flight. A request takes a small permit before its body is read, and the permit
 * grows as bytes arrive. Uses no platform API except timers.
 *
 * - Growing permits can deadlock: three uploads that hold 6 MiB each fill 18 MiB, and none can finish. So a permit grows
 *   only if all admitted requests can still finish in some order (the banker's algorithm: Dijkstra, EWD623).
 * - Admitted requests come first, then new ones in order of arrival. A small new request may pass waiting ones, but only
 *   while all small requests together fit the reserve. Large requests cannot use the reserve, so they are not starved.
 */
import { ClassifierError } from "../errors.ts";
import { retryAfterSeconds } from "../limits.ts";

/** Memory that one request may use. Whoever acquires it releases it, on every path. */
export interface Permit {
  /** Bytes that the permit holds now. */
  readonly heldBytes: number;
  /**
   * Waits until the permit may hold `bytes` in total. Renews the lease, even if the permit holds that much already.
   *
   * Beyond the permit's upper bound (a body longer than announced) it does not wait, because that wait could be endless:
   * it grows if there is room at once, and throws otherwise.
   * @throws ClassifierError overloaded, body_interrupted
   */
  growTo(bytes: number, signal?: AbortSignal): Promise<void>;
  /** Returns what is held above `bytes` and lowers the upper bound of later growth to `bytes`. Renews the lease. */
  shrinkTo(bytes: number): void;
  /** Returns all bytes. Idempotent. */
  release(): void;
}

/** What a request asks for. */
export interface Demand {
  /** Bytes that it needs at once. */
  readonly bytes: number;
  /** Upper bound of everything that it may hold, later growth included. */
  readonly maxBytes: number;
}

/** The memory to share, and how long requests may wait for it. */
export interface AdmissionOptions {
  /** Upper bound of the bytes of all permits together. */
  readonly capacityBytes: number;
  /**
   * Bytes of the capacity that only small requests may use. A request is small if its upper bound fits into the reserve.
   * All large requests together hold at most `capacityBytes - reservedBytes`.
   */
  readonly reservedBytes: number;
  /** Number of small and number of large new requests that may wait. Default: 64, which takes about 6 s at 0.1 s each. */
  readonly maxWaiting?: number;
  /** Milliseconds that a request may wait, all its waits together. Default: 20,000. */
  readonly maxWaitMs?: number;
  /**
   * Milliseconds without activity after which a permit is revoked, because its request was cancelled and cannot release
   * it. Default: 180,000, longer than any request is idle.
   */
  readonly leaseMs?: number;
  readonly now?: () => number;
}

interface Holder {
  bytes: number;
  maxBytes: number;
  expiresMs: number;
  /** Milliseconds of all its waits so far. */
  waitedMs: number;
}

/** A request that waits until its holder may have `bytes`. */
interface Waiter {
  readonly holder: Holder;
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly grant: () => void;
  readonly refuse: (error: ClassifierError) => void;
}

/** Grants permits. One per isolate. */
export class Admission {
  readonly #options: Required<AdmissionOptions>;
  readonly #holders = new Set<Holder>();
  /** Admitted requests whose permits wait to grow, in order of arrival. */
  #growing: Waiter[] = [];
  /** New requests, in order of arrival. */
  #arriving: Waiter[] = [];

  constructor(options: AdmissionOptions) {
    this.#options = { maxWaiting: 64, maxWaitMs: 20_000, leaseMs: 180_000, now: Date.now, ...options };
  }

  /** Bytes that all live permits hold. */
  get heldBytes(): number {
    return sumOf(this.#holders);
  }

  /** Number of live permits. */
  get permits(): number {
    return this.#holders.size;
  }

  /** Number of waiting requests: new ones, and admitted ones whose permits wait to grow. */
  get waiting(): number {
    return this.#growing.length + this.#arriving.length;
  }

  /** Upper bound of the bytes of all permits together. */
  get capacityBytes(): number {
    return this.#options.capacityBytes;
  }

  /**
   * Waits for a permit.
   * @param signal aborts the wait when the client disconnects
   * @throws ClassifierError overloaded, if too many wait or after maxWaitMs; body_interrupted, if the client disconnects
   * @throws RangeError if the demand can never be met
   */
  async acquire({ bytes, maxBytes }: Demand, signal?: AbortSignal): Promise<Permit> {
    const { capacityBytes, reservedBytes } = this.#options;
    const limit = Math.max(capacityBytes - reservedBytes, reservedBytes);
    if (!(bytes >= 0 && bytes <= maxBytes && maxBytes <= limit)) {
      throw new RangeError(
        `cannot admit a request of ${bytes} bytes that grows to ${maxBytes}; expected 0 <= bytes <= maxBytes <= ${limit}`,
      );
    }
    const holder: Holder = { bytes: 0, maxBytes, expiresMs: 0, waitedMs: 0 };
    await this.#claim(holder, bytes, signal);
    return this.#permitOf(holder);
  }

  #permitOf(holder: Holder): Permit {
    return {
      get heldBytes() {
        return holder.bytes;
      },
      growTo: async (bytes, signal) => {
        if (!this.#holders.has(holder)) throw this.#leaseExpired();
        if (!(bytes >= 0)) throw new RangeError(`cannot grow a permit to ${bytes} bytes; expected 0 or more`);
        this.#renew(holder);
        if (bytes > holder.maxBytes) this.#raise(holder, bytes);
        if (bytes > holder.bytes) await this.#claim(holder, bytes, signal);
      },
      shrinkTo: (bytes) => {
        if (!this.#holders.has(holder)) return;
        this.#renew(holder);
        if (!(bytes < holder.maxBytes)) return;
        holder.maxBytes = bytes;
        holder.bytes = Math.min(holder.bytes, bytes);
        this.#serve();
      },
      release: () => {
        if (this.#remove(holder)) this.#serve();
      },
    };
  }

  #raise(holder: Holder, maxBytes: number): void {
    if (!this.#isSafe(holder, { bytes: maxBytes, maxBytes })) {
      throw this.#overloaded("the body is longer than announced, and there is no memory for the rest");
    }
    holder.maxBytes = maxBytes;
  }

  /** Waits until the holder has `bytes`. */
  async #claim(holder: Holder, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw clientGone();
    if (this.#removeExpired()) this.#serve();
    const isAdmitted = this.#holders.has(holder);
    if (this.#mayTake(holder, bytes, !isAdmitted && this.waiting > 0)) return this.#take(holder, bytes);
    if (!isAdmitted) this.#refuseIfTooManyWait(holder);
    await this.#wait(holder, bytes, signal);
  }

  async #wait(holder: Holder, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const { maxWaitMs, now } = this.#options;
    const turn = Promise.withResolvers<void>();
    const startedMs = now();
    const remainingMs = maxWaitMs - holder.waitedMs;
    const deadlineMs = startedMs + remainingMs;
    const waiter: Waiter = { holder, bytes, deadlineMs, grant: turn.resolve, refuse: turn.reject };
    (this.#holders.has(holder) ? this.#growing : this.#arriving).push(waiter);
    // Removes and refuses in one step: a request that has given up never gets a permit.
    const leave = (error: ClassifierError) => {
      this.#growing = this.#growing.filter((other) => other !== waiter);
      this.#arriving = this.#arriving.filter((other) => other !== waiter);
      waiter.refuse(error);
      this.#removeExpired();
      this.#serve();
    };
    const onAbort = () => leave(clientGone());
    signal?.addEventListener("abort", onAbort, { once: true });
    const timer = setTimeout(() => leave(this.#waitedTooLong()), remainingMs);
    try {
      await turn.promise;
    } finally {
      holder.waitedMs += now() - startedMs;
      // Cleared here, not where the permit is granted: timers belong to the request that set them.
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Grants what there is room for, in order. */
  #serve(): void {
    this.#growing = this.#growing.filter((waiter) => {
      if (this.#holders.has(waiter.holder)) return !this.#settle(waiter, false);
      waiter.refuse(this.#leaseExpired());
      return false;
    });
    let isBehind = this.#growing.length > 0;
    this.#arriving = this.#arriving.filter((waiter) => {
      const isSettled = this.#settle(waiter, isBehind);
      isBehind ||= !isSettled;
      return !isSettled;
    });
  }

  /** Grants a request or refuses it for its deadline. Returns false if it has to go on waiting. */
  #settle(waiter: Waiter, isBehind: boolean): boolean {
    const { holder, bytes, deadlineMs } = waiter;
    if (this.#options.now() >= deadlineMs) {
      // Its own timer may never fire, because the request may have been cancelled.
      waiter.refuse(this.#waitedTooLong());
      return true;
    }
    if (!this.#mayTake(holder, bytes, isBehind)) return false;
    this.#take(holder, bytes);
    waiter.grant();
    return true;
  }

  #take(holder: Holder, bytes: number): void {
    holder.bytes = bytes;
    this.#renew(holder);
    this.#holders.add(holder);
  }

  /** @param isBehind whether earlier requests still wait */
  #mayTake(holder: Holder, bytes: number, isBehind: boolean): boolean {
    return (!isBehind || this.#fitsReserve(holder, bytes)) && this.#isSafe(holder, { ...holder, bytes });
  }

  #fitsReserve(holder: Holder, bytes: number): boolean {
    if (this.#isLarge(holder)) return false;
    const small = [...this.#holders].filter((other) => other !== holder && !this.#isLarge(other));
    return sumOf(small) + bytes <= this.#options.reservedBytes;
  }

  /** Whether all admitted requests can finish, one after the other, if `claimant` changes to `after`. */
  #isSafe(claimant: Holder, after: Demand): boolean {
    const { capacityBytes, reservedBytes } = this.#options;
    const others: Demand[] = [...this.#holders].filter((holder) => holder !== claimant);
    const unfinished = [...others, after].sort((a, b) => needOf(a) - needOf(b));
    let free = capacityBytes - sumOf(unfinished);
    let freeForLarge =
      capacityBytes - reservedBytes - sumOf(unfinished.filter((holder) => this.#isLarge(holder)));
    if (free < 0 || freeForLarge < 0) return false;
    while (unfinished.length > 0) {
      const next = unfinished.findIndex(
        (holder) => needOf(holder) <= free && (!this.#isLarge(holder) || needOf(holder) <= freeForLarge),
      );
      const [finishing] = next < 0 ? [] : unfinished.splice(next, 1);
      if (!finishing) return false;
      free += finishing.bytes;
      if (this.#isLarge(finishing)) freeForLarge += finishing.bytes;
    }
    return true;
  }

  #isLarge({ maxBytes }: Demand): boolean {
    return maxBytes > this.#options.reservedBytes;
  }

  #renew(holder: Holder): void {
    holder.expiresMs = this.#options.now() + this.#options.leaseMs;
  }

  /** Revokes the permits of abandoned requests. Returns whether there were any. */
  #removeExpired(): boolean {
    const nowMs = this.#options.now();
    const expired = [...this.#holders].filter(({ expiresMs }) => expiresMs <= nowMs);
    for (const holder of expired) this.#remove(holder);
    return expired.length > 0;
  }

  #remove(holder: Holder): boolean {
    holder.bytes = 0;
    return this.#holders.delete(holder);
  }

  #refuseIfTooManyWait(holder: Holder): void {
    const { maxWaiting } = this.#options;
    const isLarge = this.#isLarge(holder);
    const alike = this.#arriving.filter((waiter) => this.#isLarge(waiter.holder) === isLarge);
    if (alike.length < maxWaiting) return;
    throw this.#overloaded(`${maxWaiting} ${isLarge ? "large" : "small"} requests are waiting, the maximum`);
  }

  #waitedTooLong(): ClassifierError {
    return this.#overloaded(`no memory became free within ${this.#options.maxWaitMs} ms`);
  }

  #leaseExpired(): ClassifierError {
    return this.#overloaded("the request was idle for too long");
  }

  #overloaded(detail: string): ClassifierError {
    const [measured, limit] = [this.waiting, this.#options.maxWaiting];
    return new ClassifierError({ code: "overloaded", detail, measured, limit, retryAfterSeconds });
  }
}

function sumOf(demands: Iterable<Demand>): number {
  let sum = 0;
  for (const { bytes } of demands) sum += bytes;
  return sum;
}

/** Bytes that a request may still ask for. */
function needOf({ bytes, maxBytes }: Demand): number {
  return maxBytes - bytes;
}

function clientGone(): ClassifierError {
  return new ClassifierError({ code: "body_interrupted", measured: 0, detail: "the client disconnected" });
}
