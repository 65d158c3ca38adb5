import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Admission, type Demand, type Permit } from "../../src/concurrency/admission.ts";
import { deferred } from "../support/deferred.ts";

/** Requests of at most 20 bytes are small. */
const options = { capacityBytes: 100, reservedBytes: 20, maxWaiting: 3, maxWaitMs: 5000, leaseMs: 60_000 };
const largest = options.capacityBytes - options.reservedBytes;
const gone = () => AbortSignal.abort(new Error("client gone"));
let admission: Admission;

beforeEach(() => {
  vi.useFakeTimers();
  admission = new Admission({ ...options, now: () => Date.now() });
});
afterEach(() => void vi.useRealTimers());

const whole = (bytes: number): Demand => ({ bytes, maxBytes: bytes });

/** The permits granted so far, in order. */
function track(...sizes: number[]): { granted: number[]; permits: Permit[] } {
  const seen = { granted: [] as number[], permits: [] as Permit[] };
  for (const size of sizes) {
    admission.acquire(whole(size)).then(
      (permit) => {
        seen.granted.push(size);
        seen.permits.push(permit);
      },
      () => {},
    );
  }
  return seen;
}

/** Returns a function that tells whether a promise has settled. Call it after a tick. */
function settled(promise: Promise<unknown>): () => boolean {
  let done = false;
  const note = () => {
    done = true;
  };
  promise.then(note, note);
  return () => done;
}

const tick = () => vi.advanceTimersByTimeAsync(0);

describe("Admission", () => {
  test("grants at once what fits, and the rest in order as permits are released", async () => {
    const seen = track(50, 30, 40, 25);
    await tick();
    expect(seen.granted).toEqual([50, 30]);
    expect(admission).toMatchObject({ waiting: 2, permits: 2, heldBytes: 80, capacityBytes: 100 });
    seen.permits[0]?.release();
    await tick();
    expect(seen.granted).toEqual([50, 30, 40]);
    seen.permits[1]?.release();
    await tick();
    expect(seen.granted).toEqual([50, 30, 40, 25]);
  });

  test("a large request does not pass another large one", async () => {
    const seen = track(60, 80, 21);
    await tick();
    expect(seen.granted).toEqual([60]);
    seen.permits[0]?.release();
    await tick();
    expect(seen.granted).toEqual([60, 80]);
  });

  test("small requests pass large ones while all small ones fit the reserve", async () => {
    const seen = track(80, 80, 10, 10, 1);
    await tick();
    expect(seen.granted).toEqual([80, 10, 10]);
    seen.permits[1]?.release();
    await tick();
    expect(seen.granted).toEqual([80, 10, 10, 1]);
  });

  test("any number of small requests does not starve a large one", async () => {
    const seen = track(15, 15, 15, 15, 15);
    await tick();
    expect(seen.granted).toHaveLength(5);
    const large = track(80);
    // Each time one of them ends, another one arrives.
    for (const permit of seen.permits) {
      track(15);
      permit.release();
      await tick();
    }
    expect(large.granted).toEqual([80]);
  });

  test("refuses a request at once if too many of its size wait, with both numbers", async () => {
    track(80, 30, 30, 30);
    await expect(admission.acquire(whole(30))).rejects.toMatchObject({
      reason: { code: "overloaded", measured: 3, limit: 3 },
    });
    // Small requests are counted separately.
    await expect(admission.acquire(whole(10))).resolves.toMatchObject({ heldBytes: 10 });
  });

  test("no request waits longer than maxWaitMs", async () => {
    track(80);
    const refused = expect(admission.acquire(whole(30))).rejects.toMatchObject({
      reason: { code: "overloaded" },
    });
    await vi.advanceTimersByTimeAsync(options.maxWaitMs);
    await refused;
    expect(admission.waiting).toBe(0);
  });

  test("no request waits longer than maxWaitMs in total, however often its permit grows", async () => {
    const first = await admission.acquire(whole(60));
    const upload = await admission.acquire({ bytes: 10, maxBytes: 30 });
    const growth = upload.growTo(25);
    await vi.advanceTimersByTimeAsync(3000);
    first.release();
    await growth;
    await admission.acquire(whole(55));
    const refused = settled(upload.growTo(30));
    await vi.advanceTimersByTimeAsync(1999);
    expect(refused()).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(refused()).toBe(true);
    expect(upload.heldBytes).toBe(25);
  });

  test("memory released at the moment of a timeout is not lost", async () => {
    const { permits } = track(80);
    await tick();
    const late = admission.acquire(whole(80)).catch(() => undefined);
    // The timer fires and the memory is released before any promise reacts.
    vi.advanceTimersByTime(options.maxWaitMs);
    permits[0]?.release();
    (await late)?.release();
    expect(admission).toMatchObject({ heldBytes: 0, permits: 0, waiting: 0 });
  });

  test("a client that disconnects at the moment of its grant can release the permit", async () => {
    const { permits } = track(80);
    await tick();
    const controller = new AbortController();
    const late = admission.acquire(whole(80), controller.signal).catch(() => undefined);
    permits[0]?.release();
    controller.abort();
    (await late)?.release();
    expect(admission).toMatchObject({ heldBytes: 0, permits: 0, waiting: 0 });
  });

  test("a client that disconnects unblocks the requests behind it", async () => {
    const seen = track(50);
    const controller = new AbortController();
    const large = admission.acquire(whole(80), controller.signal);
    const behind = track(30);
    await tick();
    expect(behind.granted).toEqual([]);
    controller.abort(new Error("client gone"));
    await expect(large).rejects.toMatchObject({ reason: { code: "body_interrupted" } });
    await tick();
    expect(behind.granted).toEqual([30]);
    expect(admission.waiting).toBe(0);
    expect(seen.granted).toEqual([50]);
  });

  test("a cancelled request loses its permit when the lease expires", async () => {
    track(80);
    await vi.advanceTimersByTimeAsync(options.leaseMs);
    const permit = await admission.acquire(whole(80));
    expect(admission.heldBytes).toBe(80);
    permit.release();
    expect(admission).toMatchObject({ heldBytes: 0, permits: 0 });
  });

  test("a long active request keeps its permit; an idle one loses it", async () => {
    const permit = await admission.acquire({ bytes: 10, maxBytes: 80 });
    for (let bytes = 10; bytes <= 80; bytes += 10) {
      await vi.advanceTimersByTimeAsync(options.leaseMs - 1);
      await permit.growTo(bytes);
    }
    await vi.advanceTimersByTimeAsync(options.leaseMs - 1);
    await expect(admission.acquire({ bytes: 21, maxBytes: 21 }, gone())).rejects.toThrow();
    expect(admission.heldBytes).toBe(80);
    await vi.advanceTimersByTimeAsync(1);
    await admission.acquire(whole(80));
    await expect(permit.growTo(80)).rejects.toMatchObject({ reason: { code: "overloaded" } });
    permit.release();
    expect(admission.heldBytes).toBe(80);
  });

  test("a permit can shrink early, and a second release does nothing", async () => {
    const first = await admission.acquire(whole(80));
    const seen = track(50);
    first.shrinkTo(30);
    await tick();
    expect(seen.granted).toEqual([50]);
    first.shrinkTo(60);
    expect(admission.heldBytes).toBe(80);
    first.release();
    first.release();
    expect(admission).toMatchObject({ heldBytes: 50, permits: 1 });
  });

  test("a permit grows if there is room, and waits otherwise", async () => {
    const first = await admission.acquire({ bytes: 10, maxBytes: 40 });
    const second = await admission.acquire({ bytes: 40, maxBytes: 60 });
    await first.growTo(30);
    expect(first.heldBytes).toBe(30);
    const growing = second.growTo(60);
    const isDone = settled(growing);
    await tick();
    expect(isDone()).toBe(false);
    first.release();
    await growing;
    expect(second.heldBytes).toBe(60);
  });

  test("three uploads that together exceed the capacity all finish", async () => {
    const finished: number[] = [];
    const all = [30, 31, 32].map(async (maxBytes) => {
      const permit = await admission.acquire({ bytes: 1, maxBytes });
      for (let bytes = 1; bytes <= maxBytes; bytes++) await permit.growTo(bytes);
      finished.push(maxBytes);
      permit.release();
    });
    await Promise.all(all);
    expect(finished).toHaveLength(3);
    expect(admission.heldBytes).toBe(0);
  });

  test("admitted requests grow before new ones are admitted", async () => {
    const first = await admission.acquire(whole(50));
    const second = await admission.acquire({ bytes: 10, maxBytes: 80 });
    const growing = settled(second.growTo(80));
    const seen = track(20 + 1);
    await tick();
    expect(seen.granted).toEqual([]);
    first.release();
    await tick();
    expect(growing()).toBe(true);
    expect(seen.granted).toEqual([]);
  });

  test("a lowered bound admits other requests", async () => {
    const first = await admission.acquire({ bytes: 10, maxBytes: 80 });
    const second = admission.acquire({ bytes: 71, maxBytes: 80 });
    const isAdmitted = settled(second);
    await tick();
    expect(isAdmitted()).toBe(false);
    first.shrinkTo(20);
    expect(first.heldBytes).toBe(10);
    await tick();
    expect(isAdmitted()).toBe(true);
  });

  test.each([
    [-1, 10],
    [11, 10],
    [0, largest + 1],
    [Number.NaN, 10],
    [0, Number.NaN],
  ])("a request of %d bytes that grows to %d is refused", async (bytes, maxBytes) => {
    await expect(admission.acquire({ bytes, maxBytes })).rejects.toThrow(RangeError);
  });

  test("a body longer than announced grows if there is room at once, and is refused otherwise", async () => {
    const permit = await admission.acquire({ bytes: 1, maxBytes: 10 });
    await permit.growTo(50);
    expect(permit.heldBytes).toBe(50);
    await admission.acquire(whole(30));
    await expect(permit.growTo(51)).rejects.toMatchObject({ reason: { code: "overloaded" } });
    await expect(permit.growTo(largest + 1)).rejects.toMatchObject({ reason: { code: "overloaded" } });
    await expect(permit.growTo(Number.NaN)).rejects.toThrow(RangeError);
    permit.release();
    expect(admission).toMatchObject({ heldBytes: 30, waiting: 0 });
  });

  test("a client that has already disconnected does not wait", async () => {
    track(80);
    await expect(admission.acquire(whole(80), gone())).rejects.toMatchObject({
      reason: { code: "body_interrupted" },
    });
    expect(admission.waiting).toBe(0);
  });
});

const size = fc.integer({ min: 0, max: largest });
const share = fc.integer({ min: 0, max: 100 });
const which = fc.nat(20);
const step = fc.oneof(
  fc.record({ do: fc.constant("acquire" as const), size, share }),
  fc.record({ do: fc.constant("grow" as const), which, share }),
  fc.record({ do: fc.constant("shrink" as const), which, share }),
  fc.record({ do: fc.constant("release" as const), which }),
  fc.record({ do: fc.constant("abort" as const), which }),
  fc.record({
    do: fc.constant("pass" as const),
    ms: fc.constantFrom(1, options.maxWaitMs / 2, options.maxWaitMs, options.leaseMs),
  }),
);

/** A request as its caller sees it. */
interface Caller {
  readonly controller: AbortController;
  readonly maxBytes: number;
  permit?: Permit;
}

test("after any sequence of operations, the held bytes are those of the live permits", async () => {
  const steps = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(steps, async (groups) => {
      const gate = new Admission({ ...options, now: () => Date.now() });
      const callers: Caller[] = [];
      const waits = new Set<Promise<unknown>>();
      const wait = (work: Promise<unknown>) => {
        const done = work.catch(() => {}).finally(() => waits.delete(done));
        waits.add(done);
      };
      const live = () => callers.flatMap(({ permit }) => (permit ? [permit] : []));
      const pick = (i: number) => callers[i % callers.length];
      const release = (caller: Caller | undefined) => {
        caller?.permit?.release();
        delete caller?.permit;
      };
      const run = (now: (typeof groups)[number][number]) => {
        if (now.do === "pass") return void vi.advanceTimersByTime(now.ms);
        if (now.do === "acquire") {
          const caller: Caller = { controller: new AbortController(), maxBytes: now.size };
          callers.push(caller);
          const demand = { bytes: Math.floor((now.size * now.share) / 100), maxBytes: now.size };
          return wait(
            gate.acquire(demand, caller.controller.signal).then((permit) => {
              caller.permit = permit;
            }),
          );
        }
        const caller = pick(now.which);
        if (!caller) return;
        if (now.do === "release") return release(caller);
        if (now.do === "abort") return caller.controller.abort();
        const bytes = Math.floor((caller.maxBytes * now.share) / 100);
        if (now.do === "shrink") return caller.permit?.shrinkTo(bytes);
        if (caller.permit) wait(caller.permit.growTo(bytes, caller.controller.signal));
      };
      for (const group of groups) {
        // All operations of a group run before any promise reacts.
        for (const now of group) run(now);
        await tick();
        const held = live().reduce((sum, { heldBytes }) => sum + heldBytes, 0);
        expect(gate.heldBytes).toBe(held);
        expect(held).toBeLessThanOrEqual(options.capacityBytes);
        expect(gate.permits).toBeLessThanOrEqual(live().length);
      }
      while (waits.size > 0) {
        await vi.advanceTimersByTimeAsync(options.maxWaitMs);
      }
      callers.forEach(release);
      expect([gate.heldBytes, gate.permits, gate.waiting]).toEqual([0, 0, 0]);
      expect(vi.getTimerCount()).toBe(0);
    }),
    { numRuns: 500 },
  );
});

test("requests that grow in any order all finish", async () => {
  const request = fc.record({
    maxBytes: size,
    /** In percent of maxBytes, growing. */
    growth: fc.array(share, { maxLength: 5 }).map((shares) => shares.sort((a, b) => a - b)),
    endsSmaller: fc.boolean(),
  });
  const order = fc.infiniteStream(fc.nat(1000));
  await fc.assert(
    fc.asyncProperty(fc.array(request, { maxLength: 25 }), order, async (requests, choices) => {
      const gate = new Admission({ ...options, maxWaiting: 100, now: () => Date.now() });
      const pauses: (() => void)[] = [];
      const pause = () => {
        const { promise, resolve } = deferred<void>();
        pauses.push(resolve);
        return promise;
      };
      let finished = 0;
      for (const { maxBytes, growth, endsSmaller } of requests) {
        const work = async () => {
          await pause();
          const [first = 0, ...later] = growth.map((percent) => Math.floor((maxBytes * percent) / 100));
          const permit = await gate.acquire({ bytes: first, maxBytes });
          for (const bytes of later) {
            await pause();
            await permit.growTo(bytes);
            expect(gate.heldBytes).toBeLessThanOrEqual(options.capacityBytes);
          }
          await pause();
          if (endsSmaller) permit.shrinkTo(permit.heldBytes);
          else await permit.growTo(maxBytes);
          await pause();
          permit.release();
          finished++;
        };
        void work();
      }
      while (pauses.length > 0) {
        const [resume] = pauses.splice(choices.next().value % pauses.length, 1);
        resume?.();
        await tick();
      }
      expect(finished).toBe(requests.length);
      expect([gate.heldBytes, gate.permits, gate.waiting]).toEqual([0, 0, 0]);
    }),
    { numRuns: 300 },
  );
});
