/** The books of a soak: counts, percentiles, memory, and what counts as a fault. */
import { describe, expect, test } from "vitest";
import { attack, memoryLook, phase, silence, soakResults, tally } from "./fixture.ts";
import { byKind, percentiles, stretches } from "./measure/latency.ts";
import { Ledger, total } from "./measure/ledger.ts";
import { memoryStretches } from "./measure/memory.ts";
import { WorkerLog } from "./measure/worker-log.ts";
import type { Phase, SoakResults } from "./results.ts";
import { delays, faults, remarks } from "./verdict.ts";

const MiB = 2 ** 20;

describe("the ledger", () => {
  test("counts each request once: answered, broken off, cut or lost", () => {
    const ledger = new Ledger();
    ledger.sent("coalesced");
    for (const cache of ["MISS", "COALESCED", "HIT"])
      ledger.ended("coalesced", { end: "answered", status: 200, cache }, 10, 5);
    ledger.ended("coalesced", { end: "lost", id: "a", reason: "reset" }, 12, 7);
    ledger.sent("gone-away");
    ledger.ended("gone-away", { end: "broken-off" }, 13, 1);
    ledger.sent("miss");
    ledger.ended("miss", { end: "lost", id: "b", reason: "closed" }, 14, 2);
    ledger.sent("hit");
    ledger.ended("hit", { end: "answered", status: 200, wrong: "no" }, 15, 3);
    ledger.settle(new Map([["b", "503"]]));
    expect(total(ledger.tallies)).toEqual({
      ...{ sent: 7, answered: { 200: 4 }, cache: { MISS: 1, COALESCED: 1, HIT: 1 } },
      ...{ brokenOff: 1, cut: 1, lost: 1, wrong: 1 },
    });
    expect(ledger.tallies.miss).toMatchObject({ cut: 1, lost: 0 });
    expect(ledger.examples).toEqual(["hit: no", "coalesced: no answer: reset; the Worker's log has nothing"]);
    expect(ledger.samples).toHaveLength(4);
  });
});

describe("the Worker's log", () => {
  test("is counted by status, without the tools' own questions, and anew after each phase", () => {
    const log = new WorkerLog();
    const line = (status: number, path: string, id = "x") => log.take({ event: "request", status, path, id });
    line(200, "/v1/classify", "a");
    line(503, "/v1/classify", "b");
    line(200, "/readyz");
    log.take({ event: "model_loaded" });
    const drained = log.drain();
    expect(drained.byStatus).toEqual({ 200: 1, 503: 1 });
    expect(drained.byId.get("b")).toBe("503");
    expect(log.drain().byStatus).toEqual({});
  });
});

describe("latencies", () => {
  test("percentiles are linear between ranks", () => {
    const hundred = Array.from({ length: 101 }, (_, i) => i);
    expect(percentiles(hundred)).toEqual({ count: 101, p50: 50, p90: 90, p99: 99, max: 100 });
    expect(percentiles([]).count).toBe(0);
  });

  test("refusals are no answers of a kind; stretches count both", () => {
    const samples = [
      { kind: "miss", status: 200, atMs: 500, ms: 10 },
      { kind: "miss", status: 503, atMs: 600, ms: 1 },
      { kind: "broken", status: 422, atMs: 1500, ms: 30 },
      { kind: "miss", status: 200, atMs: 2500, ms: 20 },
    ] as const;
    expect(byKind(samples)).toEqual({ miss: percentiles([10, 20]), broken: percentiles([30]) });
    expect(stretches(samples, 1, 2900)).toEqual([
      { atSeconds: 0, goodPerSecond: 1, refusedPerSecond: 1, p50: 10, p99: 10 },
      { atSeconds: 1, goodPerSecond: 0, refusedPerSecond: 0, p50: 30, p99: 30 },
    ]);
  });
});

test("memory by stretch: least, most, and what the most was made of", () => {
  const looks = [memoryLook(0, 10 * MiB), memoryLook(900, 30 * MiB, 7), memoryLook(2100, 20 * MiB)];
  expect(memoryStretches(looks, 1, 3100)).toEqual([
    expect.objectContaining({
      ...{ atSeconds: 0, samples: 2, floorBytes: 60 * MiB, peakBytes: 80 * MiB, processBytes: 7 },
      peak: { usedBytes: 30 * MiB, bufferBytes: 0, ortBytes: 50 * MiB },
    }),
    expect.objectContaining({ atSeconds: 2, samples: 1, peakBytes: 70 * MiB, processBytes: undefined }),
  ]);
});

describe("a soak fails", () => {
  const with_ = (change: Partial<Phase>): SoakResults =>
    soakResults({ sustained: { ...phase(), ...change } });
  const memory = (looks: Parameters<typeof memoryStretches>[0]) => ({
    memoryByMinute: memoryStretches(looks, 60, 180_000),
  });

  test("never when all is well", () => {
    expect(faults(soakResults())).toEqual([]);
  });

  test.each([
    [
      "a request that did not end",
      with_({ tallies: { miss: tally({ sent: 4 }) } }),
      "4 of miss were sent, 3",
    ],
    ["a lost answer", with_({ tallies: { miss: tally({ sent: 4, lost: 1 }) } }), "1 requests got no answer"],
    ["a wrong answer", with_({ tallies: { miss: tally({ wrong: 1 }) } }), "1 answers were wrong"],
    [
      "a 500",
      with_({ tallies: { miss: tally({ answered: { 200: 2, 500: 1 } }) }, logged: { 200: 2, 500: 1 } }),
      "1 answers were 500",
    ],
    ["an answer that the Worker knows nothing of", with_({ logged: { 200: 2 } }), "the Worker's log has 2"],
    ["an answer that nobody got", with_({ logged: { 200: 3, 400: 1 } }), "1 requests more"],
    ["memory that is kept", with_(memory([memoryLook(0, 51 * MiB)])), "101 MiB are kept"],
    [
      "memory that grows",
      with_(memory([memoryLook(0, 10 * MiB), memoryLook(120_000, 40 * MiB)])),
      "it grows",
    ],
    ["memory not seen", with_({ memoryByMinute: [] }), "not seen"],
    [
      "room that was lost",
      with_({ silence: silence({ fullSize: { status: 503, ms: 20_000 } }) }),
      "sustained traffic: an image of 16 MiB afterwards got 503",
    ],
    ["an overload without refusals", soakResults({ overload: phase() }), "nothing was refused"],
    [
      "a Worker that does not recover",
      with_({ silence: silence({ next: { status: 503, ms: 1 } }) }),
      "the next request afterwards got 503",
    ],
    [
      "a permit that leaks",
      with_({ silence: silence({ inFlight: { permits: 1, permit_bytes: 5, waiting: 0 } }) }),
      "permits is 1 after 0.4 s of silence, expected 0",
    ],
    [
      "a small request that slow clients keep out",
      soakResults({
        attacks: [
          attack("slow clients", {
            tallies: { beside: tally({ answered: { 200: 2, 503: 1 } }) },
            logged: { 200: 2, 503: 1 },
          }),
        ],
      }),
      "slow clients: 1 small requests beside it got 503, expected 200",
    ],
    [
      "an attack that lets nobody through",
      soakResults({ attacks: [attack("large forms", { tallies: {}, logged: {} })] }),
      "large forms: no small request beside it was answered 200",
    ],
    [
      "a process that grows in an attack",
      soakResults({
        attacks: [
          attack("decode churn", {
            memory: memoryStretches(
              [memoryLook(0, MiB, 400 * MiB), memoryLook(1000, MiB, 900 * MiB)],
              1,
              2000,
            ),
          }),
        ],
      }),
      "decode churn: the resident memory of workerd grew by 500 MiB",
    ],
  ])("for %s", (_, results, fault) => {
    expect(faults(results).join("\n")).toContain(fault);
  });

  test("not for a client's own disconnect, which the Worker may have logged or not", () => {
    const gone = tally({ sent: 1, answered: {}, brokenOff: 1 });
    expect(faults(with_({ tallies: { miss: tally(), "gone-away": gone }, logged: { 200: 3 } }))).toEqual([]);
    expect(
      faults(with_({ tallies: { miss: tally(), "gone-away": gone }, logged: { 200: 3, 400: 1 } })),
    ).toEqual([]);
  });
});

describe("a delay", () => {
  test("fails no count, and is told", () => {
    expect(delays(soakResults())).toEqual([]);
    const late = soakResults({
      sustained: { ...phase(), silence: silence({ next: { status: 200, ms: 1200 } }) },
      attacks: [attack("slow clients", { latency: { beside: percentiles([90]) } })],
    });
    expect(faults(late)).toEqual([]);
    expect(delays(late)).toEqual([
      expect.stringContaining("sustained traffic: the next request afterwards took 1,200 ms"),
      expect.stringMatching(/slow clients: .* times as long as before, the bar is 2/),
    ]);
  });
});

test("garbage over the isolate's limit, and clients that could not keep up, are told of but fail nothing", () => {
  const looks = [memoryLook(0, 80 * MiB), memoryLook(1, 0)];
  const peak = soakResults({
    sustained: { ...phase(), memoryByMinute: memoryStretches(looks, 60, 60_000) },
  });
  expect(faults(peak)).toEqual([]);
  expect(remarks(peak)).toEqual([expect.stringContaining("130 MiB")]);
  const late = soakResults();
  const offered = { ...late, overload: { ...late.overload!, offeredPerSecond: 60, sendingSeconds: 1 } };
  expect(remarks(offered)).toEqual([expect.stringContaining("3 of 60 requests per second")]);
  expect(remarks(soakResults({ overload: { ...offered.overload, offeredPerSecond: 3 } }))).toEqual([]);
});

test("what is over a whole minute counts to the last one", () => {
  const looks = [memoryLook(10_000, 10 * MiB), memoryLook(60_500, 30 * MiB)];
  expect(memoryStretches(looks, 60, 60_900)).toEqual([
    expect.objectContaining({ atSeconds: 0, samples: 2, floorBytes: 60 * MiB }),
  ]);
});
