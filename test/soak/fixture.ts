/** Results of a successful soak, made by hand. */
import type { MemorySample } from "../../bench/common/memory-watch.ts";
import { MiB } from "../../bench/common/report.ts";
import { type AttackName, attackNames } from "./attacks.ts";
import { emptyTally, type Tally } from "./ledger.ts";
import { memoryStretches, type Phase, percentiles } from "./phase.ts";
import { type AttackPhase, type SoakResults, soakRuns } from "./run.ts";

/** Three answers. */
export function tally(change: Partial<Tally> = {}): Tally {
  return { ...emptyTally(), sent: 3, answered: { 200: 3 }, cache: { MISS: 3 }, ...change };
}

/** The WASM memory has 50 MiB. */
export function memoryLook(atMs: number, usedBytes: number, processBytes?: number): MemorySample {
  return { atMs, usedBytes, bufferBytes: 0, ortBytes: 50 * MiB, processBytes };
}

/** A Worker that holds nothing. */
export function silence(change: Partial<Phase["silence"]> = {}): Phase["silence"] {
  return {
    next: { status: 200, ms: 40 },
    fullSize: { status: 200, ms: 300 },
    inFlight: { permits: 0, permit_bytes: 0, waiting: 0 },
    settledSeconds: 0.4,
    ...change,
  };
}

/** An attack during which small requests are answered. */
export function attack(name: AttackName, change: Partial<Phase> = {}): AttackPhase {
  const latency = { small: percentiles([30, 31]) };
  return {
    name,
    idle: percentiles([20, 21]),
    phase: phase({ tallies: { small: tally() }, latency, ...change }),
  };
}

/** Two minutes in which three requests are answered. */
export function phase(change: Partial<Phase> = {}): Phase {
  const looks = [memoryLook(0, 10 * MiB, 300 * MiB), memoryLook(61_000, 12 * MiB, 310 * MiB)];
  const all = percentiles([10, 20, 30]);
  return {
    seconds: 120,
    tallies: { miss: tally() },
    latency: { miss: all },
    all,
    good: all,
    refused: percentiles([]),
    stretches: [
      { atSeconds: 0, goodPerSecond: 2, refusedPerSecond: 0, p50: 20, p99: 30 },
      { atSeconds: 60, goodPerSecond: 1, refusedPerSecond: 0, p50: Number.NaN, p99: Number.NaN },
    ],
    memory: memoryStretches(looks, 30, 120_000),
    memoryByMinute: memoryStretches(looks, 60, 120_000),
    logged: { 200: 3 },
    examples: [],
    silence: silence(),
    ...change,
  };
}

/** An overload in which one request of three is refused. */
export function overload(
  change: Partial<SoakResults["overload"]> = {},
): NonNullable<SoakResults["overload"]> {
  const refused = { 200: 2, 503: 1 };
  return {
    ...phase({ tallies: { miss: tally({ answered: refused }) }, logged: refused }),
    refused: percentiles([1, 2, 3]),
    offeredPerSecond: 12,
    sendingSeconds: 0.25,
    drainSeconds: 1.5,
    before: percentiles([30, 31]),
    after: percentiles([32, 33]),
    ...change,
  };
}

/** A soak with every phase. */
export function soakResults(change: Partial<SoakResults> = {}): SoakResults {
  return {
    format: soakRuns.format,
    startedAt: "2026-10-01T12:00:00.000Z",
    machine: {
      cpu: "a CPU",
      cores: 2,
      memoryBytes: 2 ** 33,
      system: "Linux",
      loadBefore: 0.1,
      versions: { node: "22.0.0", workerd: "1.0.0" },
      commit: "abcdef012345",
    },
    options: { minutes: 2, concurrency: 8, seed: 1 },
    interrupted: false,
    sustained: phase(),
    attacks: attackNames.map((name) => attack(name)),
    overload: overload(),
    ...change,
  };
}
