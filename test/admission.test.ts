import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Admission, type Permit } from "../src/admission.ts";

const options = { capacityBytes: 100, maxWaiting: 3, maxWaitMs: 5000, leaseMs: 60_000 };
const gone = () => AbortSignal.abort(new Error("client gone"));
let admission: Admission;

beforeEach(() => {
  vi.useFakeTimers();
  admission = new Admission({ ...options, now: () => Date.now() });
});
afterEach(() => void vi.useRealTimers());

/** The permits granted so far, in order. */
function track(...sizes: number[]): { granted: number[]; permits: Permit[] } {
  const seen = { granted: [] as number[], permits: [] as Permit[] };
  for (const size of sizes) {
    admission.acquire(size).then(
      (permit) => {
        seen.granted.push(size);
        seen.permits.push(permit);
      },
      () => {},
    );
  }
  return seen;
}
const tick = () => vi.advanceTimersByTimeAsync(0);

describe("Admission", () => {
  test("grants at once what fits, and the rest in turn as permits come back", async () => {
    const seen = track(60, 40, 30, 10);
    await tick();
    expect(seen.granted).toEqual([60, 40]);
    expect(admission.waiting).toBe(2);
    seen.permits[1]?.release();
    await tick();
    expect(seen.granted).toEqual([60, 40, 30, 10]);
    expect(admission.heldBytes).toBe(100);
  });

  test("a small request does not overtake a large one for ever", async () => {
    const seen = track(60, 80, 10);
    await tick();
    expect(seen.granted).toEqual([60]);
    seen.permits[0]?.release();
    await tick();
    expect(seen.granted).toEqual([60, 80, 10]);
  });

  test("refuses at once when the queue is full, with both numbers", async () => {
    track(100, 1, 1, 1);
    await expect(admission.acquire(1)).rejects.toMatchObject({
      reason: { code: "overloaded", waiting: 3, limit: 3 },
    });
  });

  test("nobody waits longer than maxWaitMs", async () => {
    track(100);
    const refused = expect(admission.acquire(1)).rejects.toMatchObject({ reason: { code: "overloaded" } });
    await vi.advanceTimersByTimeAsync(options.maxWaitMs);
    await refused;
    expect(admission.waiting).toBe(0);
  });

  test("a client that goes away frees its place, for those behind it too", async () => {
    const seen = track(60);
    const controller = new AbortController();
    const large = admission.acquire(90, controller.signal);
    const small = track(40);
    await tick();
    expect(small.granted).toEqual([]);
    controller.abort(new Error("client gone"));
    await expect(large).rejects.toMatchObject({ reason: { code: "body_interrupted" } });
    await tick();
    expect(small.granted).toEqual([40]);
    expect(admission.waiting).toBe(0);
    expect(seen.granted).toEqual([60]);
  });

  test("a request that was cancelled without a trace loses its permit when the lease runs out", async () => {
    track(100);
    await vi.advanceTimersByTimeAsync(options.leaseMs);
    const permit = await admission.acquire(100);
    expect(admission.heldBytes).toBe(100);
    permit.release();
    expect(admission.heldBytes).toBe(0);
  });

  test("what is not needed can be given back early, and releasing twice gives back once", async () => {
    const first = await admission.acquire(100);
    const seen = track(50);
    first.shrinkTo(50);
    await tick();
    expect(seen.granted).toEqual([50]);
    first.shrinkTo(80);
    expect(admission.heldBytes).toBe(100);
    first.release();
    first.release();
    expect(admission.heldBytes).toBe(50);
  });

  test.each([-1, 101, Number.NaN])("%d bytes are no request", async (bytes) => {
    await expect(admission.acquire(bytes)).rejects.toThrow(RangeError);
  });

  test("an aborted signal does not leave a waiter behind", async () => {
    track(100);
    await expect(admission.acquire(1, gone())).rejects.toMatchObject({
      reason: { code: "body_interrupted" },
    });
    expect(admission.waiting).toBe(0);
  });

  test("whatever the order of requests and releases, the bytes held never exceed the capacity and end at zero", async () => {
    vi.useRealTimers();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 30 }), async (sizes) => {
        const gate = new Admission({ ...options, maxWaiting: 100 });
        const work = sizes.map(async (size) => {
          const permit = await gate.acquire(size);
          expect(gate.heldBytes).toBeLessThanOrEqual(options.capacityBytes);
          await Promise.resolve();
          permit.release();
        });
        await Promise.all(work);
        expect([gate.heldBytes, gate.waiting]).toEqual([0, 0]);
      }),
    );
  });
});
