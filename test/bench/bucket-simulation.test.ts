/** The simulation of labelling, compared with what can be computed by hand. */
import { describe, expect, test } from "vitest";
import { defaults, type Parameters, simulate, simulateMany } from "../../bench/bucket/simulate.ts";

/** One consumer, and nothing takes time. */
const nothing: Parameters = {
  ...{ pictures: 1000, maxConsumers: 1, scaleUpMs: 0, batchSize: 10, dispatchMs: 0, lanes: 4, seed: 1 },
  ...{ cpuMs: 0, r2Ms: 0, d1NetworkMs: 0, d1ReadMs: 0, d1WriteMs: 0, failureRate: 0 },
};

describe("simulate", () => {
  test("with one consumer is bound by its thread", () => {
    expect(simulate({ ...nothing, cpuMs: 50 }).seconds).toBeCloseTo(50, 6);
    expect(simulate({ ...nothing, cpuMs: 50 }).cpuLoad).toBeCloseTo(1, 6);
  });

  test("with many consumers is bound by the database", () => {
    const { seconds, databaseLoad } = simulate({ ...nothing, maxConsumers: 50, d1WriteMs: 5, d1ReadMs: 1 });
    expect(seconds).toBeCloseTo(6, 1);
    expect(databaseLoad).toBeCloseTo(1, 2);
  });

  test("with one lane adds up all latencies", () => {
    const slow = { ...nothing, lanes: 1, batchSize: 1, pictures: 10, dispatchMs: 7 };
    // Three calls to R2, two to D1, and the time between ten batches.
    const expectedMs = 10 * (3 * 10 + 2 * 4 + 2 + 3 + 50) + 9 * 7;
    const times = { r2Ms: 10, d1NetworkMs: 4, d1ReadMs: 2, d1WriteMs: 3, cpuMs: 50 };
    expect(simulate({ ...slow, ...times }).seconds).toBeCloseTo(expectedMs / 1000, 9);
  });

  test("with more lanes hides the latency behind the CPU", () => {
    const busy = { ...nothing, cpuMs: 50, r2Ms: 20, pictures: 400 };
    expect(simulate({ ...busy, lanes: 1 }).seconds).toBeCloseTo(0.4 * (50 + 60), 6);
    expect(simulate({ ...busy, lanes: 4 }).cpuLoad).toBeGreaterThan(0.85);
  });

  test("twice the consumers label twice as fast, while the database keeps up", () => {
    const busy = { ...nothing, cpuMs: 50, pictures: 20_000 };
    const [ten, twenty] = [10, 20].map(
      (maxConsumers) => simulate({ ...busy, maxConsumers }).picturesPerSecond,
    );
    expect(twenty! / ten!).toBeCloseTo(2, 1);
  });

  test("labels each picture once in the end, also if attempts fail", () => {
    const outcome = simulate({ ...defaults, pictures: 5000, failureRate: 0.2 });
    expect(outcome.labelled).toBe(5000);
    expect(outcome.attempts).toBeGreaterThan(5900);
    expect(outcome.attempts).toBeLessThan(6700);
  });

  test("gives the same outcome for the same seed, and another one for another seed", () => {
    const run = (seed: number) => simulate({ ...defaults, pictures: 2000, failureRate: 0.1, seed });
    expect(run(1)).toEqual(run(1));
    expect(run(2).attempts).not.toBe(run(1).attempts);
  });

  test("continues at the speed that it has reached, beyond what it simulates", () => {
    const cheap = { ...nothing, batchSize: 100, maxConsumers: 4, d1WriteMs: 1 };
    const outcome = simulateMany({ ...cheap, pictures: 100_000_000 });
    expect(outcome.seconds).toBeGreaterThan(99_900);
    expect(outcome.seconds).toBeLessThan(100_100);
  });
});
