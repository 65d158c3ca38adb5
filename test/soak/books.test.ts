/** The counts of a soak: requests, percentiles, memory, and what counts as a fault. */
import { describe, expect, test } from "vitest";
import { MiB } from "../../bench/common/report.ts";
import { attack, memoryLook, overload, phase, silence, soakResults, tally } from "./fixture.ts";
import { emptyTally, Ledger, total, WorkerLog } from "./ledger.ts";
import { byKind, memoryStretches, type Phase, percentiles, stretches } from "./phase.ts";
import type { SoakResults } from "./run.ts";
import { delays, faults, remarks } from "./verdict.ts";

test("the ledger counts each request once: answered, broken off, cut, unreached or lost", () => {
  const ledger = new Ledger();
  const noAnswer = (id: string, isDisconnect = true) =>
    ({ end: "lost", id, reason: "reset", isDisconnect }) as const;
  ledger.sent("coalesced");
  for (const cache of ["MISS", "COALESCED", "HIT"])
    ledger.ended("coalesced", { end: "answered", status: 200, cache }, 10, 5);
  ledger.ended("coalesced", noAnswer("answered-in-log"), 12, 7);
  ledger.sent("gone-away");
  ledger.ended("gone-away", { end: "broken-off" }, 13, 1);
  ledger.sent("miss");
  ledger.ended("miss", noAnswer("refused-in-log"), 14, 2);
  ledger.sent("hit");
  ledger.ended("hit", { end: "answered", status: 200, wrong: "no" }, 15, 3);
  for (const id of ["not-in-log", "timeout"]) {
    ledger.sent("large");
    ledger.ended("large", noAnswer(id, id === "not-in-log"), 16, 4);
  }
  expect(total(ledger.tallies).lost, "before the log is known").toBe(4);
  ledger.settle(new Map(Object.entries({ "refused-in-log": "503", "answered-in-log": "200" })));
  expect(total(ledger.tallies)).toEqual({
    ...emptyTally(),
    sent: 9,
    answered: { 200: 4 },
    cache: { MISS: 1, COALESCED: 1, HIT: 1 },
    brokenOff: 1,
    cut: 1,
    unreached: 1,
    lost: 2,
    wrong: 1,
  });
  expect(ledger.tallies.miss).toMatchObject({ cut: 1, lost: 0 });
  expect(ledger.tallies.large).toMatchObject({ unreached: 1, lost: 1 });
  expect(ledger.examples).toEqual([
    "hit: no",
    "coalesced: no answer: reset; the Worker's log has 200",
    "large: no answer: reset; the Worker's log has nothing",
  ]);
  expect(ledger.samples).toHaveLength(4);
});

test("the Worker's log is counted by status, without the tools' own requests, and anew after each phase", () => {
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

describe("latencies", () => {
  test("percentiles are linear between ranks", () => {
    const hundred = Array.from({ length: 101 }, (_, i) => i);
    expect(percentiles(hundred)).toEqual({ count: 101, p50: 50, p90: 90, p99: 99, max: 100 });
    expect(percentiles([]).count).toBe(0);
  });

  test("refusals do not count as answers of a kind; stretches count both", () => {
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

describe("memory by stretch", () => {
  test("has the smallest sum, the largest, and the parts of the largest", () => {
    const looks = [memoryLook(0, 10 * MiB), memoryLook(900, 30 * MiB, 7), memoryLook(2100, 20 * MiB)];
    const peak = { usedBytes: 30 * MiB, bufferBytes: 0, ortBytes: 50 * MiB };
    expect(memoryStretches(looks, 1, 3100)).toMatchObject([
      { atSeconds: 0, samples: 2, floorBytes: 60 * MiB, peakBytes: 80 * MiB, processBytes: 7, peak },
      { atSeconds: 2, samples: 1, peakBytes: 70 * MiB, processBytes: undefined },
    ]);
  });

  test("counts what exceeds a whole minute to the last one", () => {
    const looks = [memoryLook(10_000, 10 * MiB), memoryLook(60_500, 30 * MiB)];
    const found = memoryStretches(looks, 60, 60_900);
    expect(found).toMatchObject([{ atSeconds: 0, samples: 2, floorBytes: 60 * MiB }]);
  });
});

describe("a soak fails", () => {
  const with_ = (change: Partial<Phase>): SoakResults => soakResults({ sustained: phase(change) });
  const withAttack = (...[name, change]: Parameters<typeof attack>) =>
    soakResults({ attacks: [attack(name, change)] });
  const memory = (...looks: Parameters<typeof memoryStretches>[0]) =>
    with_({ memoryByMinute: memoryStretches(looks, 60, 180_000) });
  const miss = (change: Parameters<typeof tally>[0]) => ({ tallies: { miss: tally(change) } });
  const good2bad1 = (status: number) => ({ answered: { 200: 2, [status]: 1 } });
  const grown = [memoryLook(0, MiB, 400 * MiB), memoryLook(1000, MiB, 900 * MiB)];
  const refused = { status: 503, ms: 1 };
  const held = { permits: 1, permit_bytes: 5, waiting: 0 };

  test("never when all is well", () => {
    expect(faults(soakResults())).toEqual([]);
  });

  test.each<[fault: string, results: SoakResults]>([
    ["4 of miss were sent, 3 ended", with_(miss({ sent: 4 }))],
    ["1 requests got no answer", with_(miss({ sent: 4, lost: 1 }))],
    ["1 of 4 requests did not reach the Worker", with_(miss({ sent: 4, unreached: 1 }))],
    ["1 answers were wrong", with_(miss({ wrong: 1 }))],
    ["1 answers were 500", with_({ ...miss(good2bad1(500)), logged: { 200: 2, 500: 1 } })],
    ["3 answers were 200, the Worker's log has 2", with_({ logged: { 200: 2 } })],
    ["the Worker's log has 1 requests more", with_({ logged: { 200: 3, 400: 1 } })],
    ["101 MiB are kept", memory(memoryLook(0, 51 * MiB))],
    ["it grows", memory(memoryLook(0, 10 * MiB), memoryLook(120_000, 40 * MiB))],
    ["there are no samples", with_({ memoryByMinute: [] })],
    [
      "sustained traffic: an image of 16 MiB afterwards got 503",
      with_({ silence: silence({ fullSize: refused }) }),
    ],
    ["nothing was refused", soakResults({ overload: overload(phase()) })],
    ["the next request afterwards got 503", with_({ silence: silence({ next: refused }) })],
    ["permits is 1 after 0.4 s of silence, expected 0", with_({ silence: silence({ inFlight: held }) })],
    [
      "slow clients: 1 small requests got 503, expected 200",
      withAttack("slow clients", { tallies: { small: tally(good2bad1(503)) }, logged: { 200: 2, 503: 1 } }),
    ],
    [
      "large forms: no small request was answered 200",
      withAttack("large forms", { tallies: {}, logged: {} }),
    ],
    [
      "decode churn: the resident memory of workerd grew by 500 MiB",
      withAttack("decode churn", { memory: memoryStretches(grown, 1, 2000) }),
    ],
  ])("when %s", (fault, results) => {
    expect(faults(results).join("\n")).toContain(fault);
  });

  test("not for a client's own disconnect, whether the Worker logged it or not", () => {
    const tallies = { miss: tally(), "gone-away": tally({ sent: 1, answered: {}, brokenOff: 1 }) };
    expect(faults(with_({ tallies, logged: { 200: 3 } }))).toEqual([]);
    expect(faults(with_({ tallies, logged: { 200: 3, 400: 1 } }))).toEqual([]);
  });

  test("not for one connection in hundreds that wrangler's proxy closed, which is a remark", () => {
    const dropped = miss({ sent: 300, answered: { 200: 299 }, unreached: 1 });
    const results = with_({ ...dropped, logged: { 200: 299 } });
    expect(faults(results)).toEqual([]);
    expect(remarks(results)).toEqual([expect.stringContaining("proxy closed 1 connections")]);
  });
});

test("a delay is reported, and is not a fault", () => {
  expect(delays(soakResults())).toEqual([]);
  const late = soakResults({
    sustained: phase({ silence: silence({ next: { status: 200, ms: 1200 } }) }),
    attacks: [attack("slow clients", { latency: { small: percentiles([90]) } })],
  });
  expect(faults(late)).toEqual([]);
  expect(delays(late)).toEqual([
    expect.stringContaining("sustained traffic: the next request afterwards took 1,200 ms"),
    expect.stringMatching(/slow clients: .* times as long as before, the bound is 2/),
  ]);
});

test("garbage over the isolate's limit, and clients that could not keep up, are remarks and not faults", () => {
  const looks = [memoryLook(0, 80 * MiB), memoryLook(1, 0)];
  const peak = soakResults({ sustained: phase({ memoryByMinute: memoryStretches(looks, 60, 60_000) }) });
  expect(faults(peak)).toEqual([]);
  expect(remarks(peak)).toEqual([expect.stringContaining("130 MiB")]);
  const offered = (offeredPerSecond: number) =>
    remarks(soakResults({ overload: overload({ offeredPerSecond, sendingSeconds: 1 }) }));
  expect(offered(60)).toEqual([expect.stringContaining("3 of 60 requests per second")]);
  expect(offered(3)).toEqual([]);
});
