import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { RunQueue } from "../../src/concurrency/shared-work.ts";
import { deferred, never } from "../support/deferred.ts";

const stallMs = 1000;

describe("RunQueue", () => {
  beforeEach(() => void vi.useFakeTimers({ shouldAdvanceTime: true }));
  afterEach(() => void vi.useRealTimers());

  test("tasks never overlap and keep their order", async () => {
    const queue = new RunQueue(stallMs);
    const events: string[] = [];
    let running = 0;
    const task = (name: string) => async () => {
      expect(++running).toBe(1);
      events.push(`begin ${name}`);
      await Promise.resolve();
      events.push(`end ${name}`);
      running--;
      return name;
    };
    expect(await Promise.all(["a", "b", "c"].map((name) => queue.run(task(name))))).toEqual(["a", "b", "c"]);
    expect(events).toEqual(["begin a", "end a", "begin b", "end b", "begin c", "end c"]);
    expect(queue.length).toBe(0);
  });

  test("the next task runs after a failed one", async () => {
    const queue = new RunQueue(stallMs);
    const failing = queue.run(async () => Promise.reject(new Error("trap")));
    const next = queue.run(async () => "next");
    await expect(failing).rejects.toThrow("trap");
    await expect(next).resolves.toBe("next");
    await expect(queue.run(async () => "after")).resolves.toBe("after");
  });

  test("an abandoned task blocks the others for a bounded time", async () => {
    const queue = new RunQueue(stallMs);
    void queue.run(() => never());
    const next = queue.run(async () => "next");
    await vi.advanceTimersByTimeAsync(stallMs);
    await expect(next).resolves.toBe("next");
    await expect(queue.run(async () => "after")).resolves.toBe("after");
  });

  test("a long queue does not count as stalled, because each task is progress", async () => {
    const queue = new RunQueue(stallMs);
    let running = 0;
    const task = async () => {
      expect(++running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, stallMs * 0.8));
      running--;
    };
    const all = Promise.all(Array.from({ length: 6 }, () => queue.run(task)));
    await vi.advanceTimersByTimeAsync(6 * stallMs);
    await all;
  });

  test("a task behind a slow one still runs after it", async () => {
    const queue = new RunQueue(stallMs);
    const gate = deferred();
    const order: string[] = [];
    const first = queue.run(async () => {
      await gate.promise;
      order.push("first");
    });
    const second = queue.run(async () => void order.push("second"));
    gate.resolve();
    await Promise.all([first, second]);
    expect(order).toEqual(["first", "second"]);
  });
});
