/** The tables of a soak. The terminal and docs/soak.md print the same ones. */
import { MiB, type Table, table } from "../../bench/common/report.ts";
import { numberText } from "../../cli/plot/format.ts";
import { kindNames, kindOf } from "./kinds.ts";
import { answers, type Tally, total } from "./ledger.ts";
import type { Phase } from "./phase.ts";
import { phasesOf, type SoakResults } from "./run.ts";
import type { Percentiles } from "./stretches.ts";
import { smallRatio } from "./verdict.ts";

/** Requests by kind, and how they ended. */
export function countTable(title: string, { tallies }: Phase): Table {
  const row = (name: string, { sent, answered, brokenOff, cut, unreached, lost, wrong, cache }: Tally) => [
    name,
    sent,
    listed(answered),
    ...[brokenOff, cut, unreached, lost, wrong],
    listed(cache),
  ];
  const rows = Object.entries(tallies).map(([kind, tally]) => row(kind, tally));
  return table(
    title,
    ["kind", "sent", "answered", "broken off", "cut", "unreached", "lost", "wrong", "X-Cache"],
    [...rows, row("all", total(tallies))],
  );
}

/** Latency by kind. */
export function latencyTable(title: string, { latency, all }: Phase): Table {
  return table(
    title,
    ["kind", "answers", "p50 ms", "p90 ms", "p99 ms", "max ms"],
    Object.entries({ ...latency, all }).map(([kind, { count, p50, p90, p99, max }]) => [
      kind,
      ...[count, p50, p90, p99, max],
    ]),
  );
}

/** Memory by minute. */
export function memoryTable({ memoryByMinute }: Phase): Table {
  return table(
    "Memory of the isolate by minute, MiB",
    ["minute", "smallest", "largest", "ORT", "JS", "ArrayBuffers", "process"],
    memoryByMinute.map(({ atSeconds, floorBytes, peakBytes, peak, processBytes = Number.NaN }) => {
      const { ortBytes, usedBytes, bufferBytes } = peak;
      const sizes = [floorBytes, peakBytes, ortBytes, usedBytes, bufferBytes, processBytes];
      return [1 + atSeconds / 60, ...sizes.map((bytes) => bytes / MiB)];
    }),
    "smallest, largest: sum of ORT's heap, JS objects and ArrayBuffers, including garbage, sampled every 0.1 s. ORT, JS, ArrayBuffers: parts of the largest sum. process: largest resident size of workerd.",
  );
}

/** The overload, compared with the traffic before it. */
export function overloadTable({ sustained, overload }: SoakResults): Table {
  const title = "Overload, at four times what was answered before";
  const head = ["", "before", "overload and after"];
  if (!overload) return table(title, head, []);
  const rate = ({ tallies, seconds }: Phase, status: string) =>
    (total(tallies).answered[status] ?? 0) / seconds;
  const spread = ({ p50, p99, max }: Percentiles) =>
    `p50 ${numberText(p50)}, p99 ${numberText(p99)}, max ${numberText(max)}`;
  const { offeredPerSecond, sendingSeconds, drainSeconds, silence, before, after } = overload;
  const answeredPerSecond = answers(total(sustained.tallies)) / sustained.seconds;
  return table(title, head, [
    ["due, requests per second", "as answered", offeredPerSecond],
    ["sent", answeredPerSecond, total(overload.tallies).sent / sendingSeconds],
    ["200, per second", rate(sustained, "200"), rate(overload, "200")],
    ["503, per second", rate(sustained, "503"), rate(overload, "503")],
    ["a 200 takes, ms", spread(sustained.good), spread(overload.good)],
    ["a 503 takes, ms", "–", spread(overload.refused)],
    ["backlog answered within, s", "", drainSeconds],
    ["first request after it", "", probed(silence.next)],
    ["new JPEGs one by one, ms", spread(before), spread(after)],
  ]);
}

/** What each attack did to small requests and to the process. */
export function attackTable({ attacks }: SoakResults): Table {
  return table(
    "Attacks, and small requests during them",
    [
      ...["attack", "answered", "small requests", "p50 before, ms", "p50 during, ms", "ratio"],
      ...["process at first, MiB", "largest"],
    ],
    attacks.map((attack) => {
      const { name, idle, phase } = attack;
      const { small, ...others } = phase.tallies;
      const [first = Number.NaN, ...later] = phase.memory.flatMap(({ processBytes }) => processBytes ?? []);
      return [
        name,
        listed(total(others).answered),
        listed(small?.answered ?? {}),
        idle.p50,
        phase.latency.small?.p50 ?? Number.NaN,
        smallRatio(attack),
        first / MiB,
        Math.max(first, ...later) / MiB,
      ];
    }),
    "small requests: one client posts new JPEGs of 86 KB, one after the other, before and during the attack. process: resident size of workerd.",
  );
}

/** The state of the Worker after each phase. */
export function silenceTable(results: SoakResults): Table {
  return table(
    "The silence after each phase",
    ["after", "next request", "image of 16 MiB", "permits", "permit bytes", "waiting", "after s"],
    phasesOf(results).map(([name, { silence }]) => {
      const { permits, permit_bytes, waiting } = silence.inFlight;
      const held = [permits, permit_bytes, waiting, silence.settledSeconds];
      return [name, probed(silence.next), probed(silence.fullSize), ...held];
    }),
    "next request: a small JPEG, right after the last client has gone; then an image of 16 MiB, which needs all room but the reserve. Then the soak polls /readyz until it reports that nothing is held, or for 20 s.",
  );
}

/** The kinds of requests. */
export function kindTable(): Table {
  return table(
    "What is sent",
    ["kind", "turns of 100", "what", "right answer"],
    kindNames.map((name) => {
      const { weight, what, statuses } = kindOf(name);
      return [name, weight || Number.NaN, what, statuses.join(", ") || "none"];
    }),
  );
}

function probed({ status, ms }: Phase["silence"]["next"]): string {
  return `${status} in ${numberText(ms)} ms`;
}

function listed(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).sort(([a], [b]) => a.localeCompare(b));
  return entries.map(([name, count]) => `${name}: ${numberText(count)}`).join(", ") || "–";
}
