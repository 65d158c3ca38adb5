/**
 * Bounds the memory of all requests in flight. A request takes a small permit before its body is read, and the permit
 * grows as bytes arrive. Pure but for timers.
 *
 * - Growing permits can deadlock: three uploads that hold 6 MiB each fill 18 MiB, and none can finish. So room is given
 *   only if all admitted requests can still finish in some order (the banker's algorithm: Dijkstra, EWD623).
 * - Requests already admitted come first, then new ones in order of arrival. A small new request may pass others that
 *   wait, but only while all small requests together fit the reserve, which large requests cannot use: large requests
 *   are not starved.
 */
import { ClassifierError } from "../errors.ts";
import { retryAfterSeconds } from "../limits.ts";

/** Memory that one request may use. Whoever acquires it releases it, on every path. */
export interface Permit {
  /** Bytes that the permit holds now. */
  readonly heldBytes: number;
  /**
   * Waits until the permit may hold `bytes` in total; resolves at once when there is room. Renews the lease, also when
   * the permit holds that much already.
   *
   * Beyond the permit's upper bound (a body is longer than announced) it never waits, which might be for ever: it grows
   * if there is room at once, and is refused otherwise.
   * @throws ClassifierError overloaded, body_interrupted
   */
  growTo(bytes: number, signal?: AbortSignal): Promise<void>;
  /**
   * Promises to hold at most `bytes` from now on: gives back what is above, and lowers the upper bound of later growth
   * to `bytes`. Renews the lease.
   */
  shrinkTo(bytes: number): void;
  /** Idempotent. */
  release(): void;
}

/** What a request asks for. */
export interface Demand {
  /** Bytes that it needs at once. */
  readonly bytes: number;
  /** Upper bound of all that it may hold, later growth included. */
  readonly maxBytes: number;
}

export interface AdmissionOptions {
  /** Bytes that all permits may add up to. */
  readonly capacityBytes: number;
  /**
   * Bytes of the capacity that only small requests may use: those whose upper bound fits in here. The others may add up
   * to `capacityBytes - reservedBytes`.
   */
  readonly reservedBytes: number;
  /** New requests that may wait: this many small ones, and this many large ones. */
  readonly maxWaiting: number;
  /** Milliseconds that a request may wait, each time. */
  readonly maxWaitMs: number;
  /** Milliseconds without activity after which a permit is taken back: its request was cancelled and cannot return it. */
  readonly leaseMs: number;
  readonly now?: () => number;
}

/** Bytes held, and the most that may be. */
type Claim = Readonly<Demand>;

interface Holder {
  bytes: number;
  maxBytes: number;
  expiresMs: number;
}

/** A request that waits until its holder may have `bytes`. */
interface Waiter {
  readonly holder: Holder;
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly grant: () => void;
  readonly refuse: (error: ClassifierError) => void;
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #now: () => number;
  readonly #holders = new Set<Holder>();
  /** Admitted requests whose permit is to grow, in order of arrival. */
  #growing: Waiter[] = [];
  /** New requests, in order of arrival. */
  #arriving: Waiter[] = [];

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** Bytes that all live permits hold. */
  get heldBytes(): number {
    return sumOf(this.#holders);
  }

  /** Live permits. */
  get permits(): number {
    return this.#holders.size;
  }

  /** Requests that wait: new ones, and admitted ones whose permit is to grow. */
  get waiting(): number {
    return this.#growing.length + this.#arriving.length;
  }

  /** Bytes that all permits may add up to. */
  get capacityBytes(): number {
    return this.#options.capacityBytes;
  }

  /**
   * Waits for a permit.
   * @param signal aborts the wait when the client goes away
   * @throws ClassifierError overloaded, when too many wait or after maxWaitMs; body_interrupted, when the client goes
   *   away; RangeError when the demand can never be met
   */
  async acquire({ bytes, maxBytes }: Demand, signal?: AbortSignal): Promise<Permit> {
    const { capacityBytes, reservedBytes } = this.#options;
    const limit = Math.max(capacityBytes - reservedBytes, reservedBytes);
    if (!(bytes >= 0 && bytes <= maxBytes && maxBytes <= limit)) {
      throw new RangeError(
        `cannot admit a request of ${bytes} bytes that grows to ${maxBytes}; expected 0 <= bytes <= maxBytes <= ${limit}`,
      );
    }
    const holder: Holder = { bytes: 0, maxBytes, expiresMs: 0 };
    await this.#claim(holder, bytes, signal);
    return this.#permitOf(holder);
  }

  #permitOf(holder: Holder): Permit {
    return {
      get heldBytes() {
        return holder.bytes;
      },
      growTo: async (bytes, signal) => {
        if (!this.#holders.has(holder)) throw this.#overloaded("the request was idle for too long");
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
      throw this.#overloaded("there is no room for more than was announced");
    }
    holder.maxBytes = maxBytes;
  }

  /** Resolves as soon as the holder has `bytes`. */
  async #claim(holder: Holder, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw clientGone();
    if (this.#removeExpired()) this.#serve();
    const isAdmitted = this.#holders.has(holder);
    if (this.#mayTake(holder, bytes, !isAdmitted && this.waiting > 0)) return this.#take(holder, bytes);
    if (!isAdmitted) this.#refuseIfTooManyWait(holder);
    await this.#wait(holder, bytes, signal);
  }

  async #wait(holder: Holder, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const { maxWaitMs } = this.#options;
    const turn = Promise.withResolvers<void>();
    const deadlineMs = this.#now() + maxWaitMs;
    const waiter: Waiter = { holder, bytes, deadlineMs, grant: turn.resolve, refuse: turn.reject };
    (this.#holders.has(holder) ? this.#growing : this.#arriving).push(waiter);
    // Whoever leaves the queue is settled in the same step: a request that has given up is never granted anything.
    const leave = (error: ClassifierError) => {
      this.#growing = this.#growing.filter((other) => other !== waiter);
      this.#arriving = this.#arriving.filter((other) => other !== waiter);
      waiter.refuse(error);
      this.#removeExpired();
      this.#serve();
    };
    const onAbort = () => leave(clientGone());
    signal?.addEventListener("abort", onAbort, { once: true });
    const timer = setTimeout(() => leave(this.#waitedTooLong()), maxWaitMs);
    try {
      await turn.promise;
    } finally {
      // Here, and not where the room is granted: timers belong to the request that set them.
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Gives room to those that wait, in order. */
  #serve(): void {
    this.#growing = this.#growing.filter((waiter) => {
      if (this.#holders.has(waiter.holder)) return !this.#settle(waiter, false);
      waiter.refuse(this.#overloaded("the request was idle for too long"));
      return false;
    });
    let isBehind = this.#growing.length > 0;
    this.#arriving = this.#arriving.filter((waiter) => {
      const isSettled = this.#settle(waiter, isBehind);
      isBehind ||= !isSettled;
      return !isSettled;
    });
  }

  /** Whether the waiter is done with waiting: it has its room, or is too late. */
  #settle(waiter: Waiter, isBehind: boolean): boolean {
    const { holder, bytes, deadlineMs } = waiter;
    if (this.#now() >= deadlineMs) {
      // Its own timer may never fire: the request may have been cancelled.
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

  /** @param isBehind whether others wait whose turn is before */
  #mayTake(holder: Holder, bytes: number, isBehind: boolean): boolean {
    return (!isBehind || this.#fitsReserve(holder, bytes)) && this.#isSafe(holder, { ...holder, bytes });
  }

  #fitsReserve(holder: Holder, bytes: number): boolean {
    if (this.#isLarge(holder)) return false;
    const small = [...this.#holders].filter((other) => other !== holder && !this.#isLarge(other));
    return sumOf(small) + bytes <= this.#options.reservedBytes;
  }

  /** Whether all admitted requests can finish, one after the other, once `claimant` is as it is `after`. */
  #isSafe(claimant: Holder, after: Claim): boolean {
    const { capacityBytes, reservedBytes } = this.#options;
    const others: Claim[] = [...this.#holders].filter((holder) => holder !== claimant);
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

  #isLarge({ maxBytes }: Claim): boolean {
    return maxBytes > this.#options.reservedBytes;
  }

  #renew(holder: Holder): void {
    holder.expiresMs = this.#now() + this.#options.leaseMs;
  }

  /** Takes back the permits of requests that are gone for good; whether there were any. */
  #removeExpired(): boolean {
    const nowMs = this.#now();
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
    const size = isLarge ? "large" : "small";
    throw this.#overloaded(`${maxWaiting} ${size} requests are waiting already, which is the limit`);
  }

  #waitedTooLong(): ClassifierError {
    return this.#overloaded(`there was no room within ${this.#options.maxWaitMs} ms`);
  }

  #overloaded(detail: string): ClassifierError {
    const [measured, limit] = [this.waiting, this.#options.maxWaiting];
    return new ClassifierError({ code: "overloaded", detail, measured, limit, retryAfterSeconds });
  }
}

function sumOf(claims: Iterable<Claim>): number {
  let sum = 0;
  for (const { bytes } of claims) sum += bytes;
  return sum;
}

/** Bytes that a request may still ask for. */
function needOf({ bytes, maxBytes }: Claim): number {
  return maxBytes - bytes;
}

function clientGone(): ClassifierError {
  return new ClassifierError({ code: "body_interrupted", measured: 0, detail: "the client went away" });
}
