import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Lead, SingleFlight, StalledError } from "../../src/concurrency/shared-work.ts";
import { deferred, never } from "../support/deferred.ts";

const stallMs = 1000;
const kept: Promise<unknown>[] = [];
const waitUntil = (work: Promise<unknown>) => void kept.push(work);

describe("SingleFlight", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("equal calls at the same time do the work once, led by the first", async () => {
    const flights = new SingleFlight<string>({ stallMs, waitUntil });
    const gate = deferred();
    const start = vi.fn(async () => {
      await gate.promise;
      return "done";
    });
    const calls = ["a", "a", "a", "b"].map((key) => flights.run(key, start));
    gate.resolve();
    const flown = await Promise.all(calls);
    expect(start).toHaveBeenCalledTimes(2);
    expect(flown.map(({ led }) => led)).toEqual([true, false, false, true]);
    expect(flights.size).toBe(0);
  });

  test("a failure reaches all waiting callers, and the next call tries again", async () => {
    const flights = new SingleFlight<string>({ stallMs, waitUntil });
    const failing = vi.fn(async () => Promise.reject(new Error("no bucket")));
    const outcomes = await Promise.allSettled([flights.run("a", failing), flights.run("a", failing)]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(failing).toHaveBeenCalledTimes(1);
    await expect(flights.run("a", async () => "well")).resolves.toEqual({ value: "well", led: true });
  });

  test("waitUntil keeps the work alive and ignores its failure", async () => {
    kept.length = 0;
    const flights = new SingleFlight<string>({ stallMs, waitUntil });
    await expect(flights.run("a", async () => Promise.reject(new Error("x")))).rejects.toThrow("x");
    expect(kept).toHaveLength(1);
    await expect(kept[0]).resolves.toBeUndefined();
  });

  test("if the leader never settles, one waiter takes over and the others join it", async () => {
    const flights = new SingleFlight<string>({ stallMs, waitUntil });
    let abandoned: AbortSignal | undefined;
    const leader = flights.run("a", ({ signal }: Lead) => {
      abandoned = signal;
      return never<string>();
    });
    leader.catch(() => {});
    const gate = deferred();
    const takeover = vi.fn(async () => {
      await gate.promise;
      return "taken over";
    });
    const waiters = [flights.run("a", takeover), flights.run("a", takeover)];
    await vi.advanceTimersByTimeAsync(stallMs + 1);
    gate.resolve();
    expect(await Promise.all(waiters)).toEqual([
      { value: "taken over", led: true },
      { value: "taken over", led: false },
    ]);
    expect(takeover).toHaveBeenCalledTimes(1);
    expect(abandoned?.aborted).toBe(true);
    await expect(leader).rejects.toBeInstanceOf(StalledError);
  });

  test("callers wait for work that makes progress, however long it takes", async () => {
    const flights = new SingleFlight<string>({ stallMs, waitUntil });
    const slow = async ({ progress }: Lead) => {
      for (let i = 0; i < 10; i++) {
        await new Promise((resolve) => setTimeout(resolve, stallMs * 0.9));
        progress();
      }
      return "slow";
    };
    const calls = [flights.run("a", slow), flights.run("a", slow)];
    await vi.advanceTimersByTimeAsync(10 * stallMs);
    expect(await Promise.all(calls)).toEqual([
      { value: "slow", led: true },
      { value: "slow", led: false },
    ]);
  });

  test("a caller whose own attempt stalls gives up and reports the time", async () => {
    const flights = new SingleFlight<string>({ stallMs, waitUntil });
    const call = flights.run("a", () => never<string>());
    const outcome = expect(call).rejects.toThrow("no progress for 1000 ms");
    await vi.advanceTimersByTimeAsync(stallMs);
    await outcome;
    expect(flights.size).toBe(0);
  });

  test("a leader that continues after a takeover does not end its successor's work", async () => {
    const flights = new SingleFlight<string>({ stallMs, waitUntil });
    const late = deferred<string>();
    const leader = flights.run("a", () => late.promise);
    leader.catch(() => {});
    await vi.advanceTimersByTimeAsync(stallMs);
    const gate = deferred<string>();
    const successor = flights.run("a", () => gate.promise);
    late.resolve("late");
    await vi.advanceTimersByTimeAsync(1);
    expect(flights.size).toBe(1);
    gate.resolve("new");
    await expect(successor).resolves.toEqual({ value: "new", led: true });
  });
});
