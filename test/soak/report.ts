/** Writes the report of a soak: for the terminal, docs/soak.md and its charts. */
import path from "node:path";
import {
  bullets,
  fillTemplate,
  heading,
  joined,
  MiB,
  machineLines,
  type Table,
  table,
  tableMarkdown,
  tableText,
  writeDocuments,
} from "../../bench/common/report.ts";
import { type Curve, type LineChart, lineSheet } from "../../cli/plot/charts.ts";
import { mebibytesText, numberText } from "../../cli/plot/format.ts";
import { isolateBytes as isolateLimit } from "../../src/limits.ts";
import { attackOf } from "./attacks.ts";
import { kindNames, kindOf } from "./kinds.ts";
import { answers, type Tally, total } from "./ledger.ts";
import type { MemoryStretch, Percentiles, Phase, Stretch } from "./phase.ts";
import { phasesOf, type SoakResults } from "./run.ts";
import { bounds, delays, faults, remarks, smallRatio } from "./verdict.ts";

/** Returns the run, all tables, remarks and faults. */
export function soakReport(results: SoakResults): string {
  const { sustained, attacks, overload } = results;
  const found = [...faults(results), ...delays(results)];
  return joined(
    "\n\n",
    describeSoak(results).join("\n"),
    tableText(countTable("Sustained traffic", sustained)),
    tableText(latencyTable("Latency of sustained traffic", sustained)),
    tableText(memoryTable(sustained)),
    ...attacks.map(({ name, phase }) => tableText(countTable(name, phase))),
    tableText(attackTable(results)),
    overload ? tableText(countTable("Overload", overload)) : "",
    tableText(overloadTable(results)),
    tableText(silenceTable(results)),
    ...remarks(results).map((remark) => `Note: ${remark}`),
    found.length > 0
      ? `${heading("Faults")}\n${bullets(found)}`
      : "All counts add up; no answer was wrong; memory stayed within its bounds.",
  );
}

/** Returns docs/soak.md. */
export function soakDocument(results: SoakResults): string {
  const { sustained, attacks, overload } = results;
  const found = [...faults(results), ...delays(results)];
  const page = fillTemplate(path.join(import.meta.dirname, "soak.template.md"), {
    run: bullets(describeSoak(results)),
    faults:
      found.length > 0
        ? `**Faults**\n\n${bullets(found)}`
        : "All counts add up, in the clients and in the Worker's log. No answer was wrong. Memory stayed within its bounds.",
    remarks: remarks(results)
      .map((remark) => `**Note.** ${remark}`)
      .join("\n\n"),
    memory: tableMarkdown(memoryTable(sustained)),
    latency: tableMarkdown(latencyTable("", sustained)),
    counts: tableMarkdown(countTable("", sustained)),
    attackList: bullets(attacks.map(({ name }) => `**${name}**: ${attackOf(name).what}`)),
    attackTable: tableMarkdown(attackTable(results)),
    silence: tableMarkdown(silenceTable(results)),
    overloadTable: tableMarkdown(overloadTable(results)),
    overloadCounts: overload ? tableMarkdown(countTable("", overload)) : "",
    kinds: tableMarkdown(kindTable()),
    ...bounds,
    keptMiB: mebibytesText(bounds.keptBytes),
    growthMiB: mebibytesText(bounds.growthBytes),
    residentGrowthMiB: mebibytesText(bounds.residentGrowthBytes),
    unreachedPercent: numberText(100 * bounds.unreachedShare),
  });
  return `${page}\n`;
}

/** Writes the page and its charts into docs/. @returns the paths of the files, relative to the project */
export function writeSoakDocs(results: SoakResults, folder?: string): Promise<string[]> {
  return writeDocuments({ "soak.md": soakDocument(results) }, soakPlots(results), folder);
}

/** Returns the extent, machine and versions of a soak, one line each. */
function describeSoak(results: SoakResults): string[] {
  const { machine, options, startedAt, sustained, attacks, overload, interrupted } = results;
  const attackSeconds = numberText(Math.max(...attacks.map(({ phase }) => phase.seconds)));
  const phases = joined(
    ", ",
    `${numberText(sustained.seconds / 60)} minutes of sustained traffic`,
    attacks.length > 0 ? `${attacks.length} attacks of at most ${attackSeconds} s` : "",
    overload ? `${numberText(overload.seconds)} s of overload` : "",
  );
  return [
    `Run: ${phases}, begun ${startedAt}, ${options.concurrency} clients, seed ${options.seed}, commit ${machine.commit}${interrupted ? "; interrupted" : ""}`,
    ...machineLines(machine),
  ];
}

const limit = { y: isolateLimit / MiB, label: "the isolate's 128 MB" };

/** Returns the SVG of each chart by its file name. Leaves out what was not measured. */
export function soakPlots({ sustained, attacks, overload }: SoakResults): Map<string, string> {
  const each = (curveOf: (name: string, phase: Phase) => Curve) =>
    attacks.map(({ name, phase }) => curveOf(name, phase));
  const processTitle = "Resident memory of the whole workerd process";
  const sheets = {
    "soak-memory.svg": sheet("Memory in a soak", [
      chart(
        "Memory of the isolate under sustained traffic, garbage included",
        "MiB",
        isolate(sustained),
        limit,
      ),
      chart("Parts of the largest memory", "MiB", [
        memoryCurve("WASM memory", sustained, ({ peak }) => peak.ortBytes),
        memoryCurve("JS objects", sustained, ({ peak }) => peak.usedBytes),
        memoryCurve("ArrayBuffers", sustained, ({ peak }) => peak.bufferBytes),
      ]),
      chart(processTitle, "MiB", [resident("process", sustained)]),
      overload && chart("Memory of the isolate in the overload", "MiB", isolate(overload), limit),
    ]),
    "soak-latency.svg": sheet("Latency and throughput in a soak", [
      chart("Time to answer under sustained traffic", "ms", times(sustained)),
      chart("Throughput under sustained traffic", "answers/s", rates(sustained)),
      overload && chart("Throughput in the overload", "answers/s", rates(overload)),
      overload && chart("Time to answer in the overload, from when a request was due", "ms", times(overload)),
    ]),
    "soak-attacks.svg": sheet("Attacks in a soak", [
      chart("200s per second", "answers/s", each(goodRate)),
      chart("Largest memory of the isolate, garbage included", "MiB", each(largest), limit),
      chart(processTitle, "MiB", each(resident)),
    ]),
  };
  return new Map(Object.entries(sheets).filter(([, svg]) => svg !== ""));
}

function isolate(phase: Phase): Curve[] {
  return [largest("largest", phase), memoryCurve("smallest", phase, ({ floorBytes }) => floorBytes)];
}

function largest(name: string, phase: Phase): Curve {
  return memoryCurve(name, phase, ({ peakBytes }) => peakBytes);
}

function resident(name: string, phase: Phase): Curve {
  return memoryCurve(name, phase, ({ processBytes }) => processBytes);
}

function times({ stretches }: Phase): Curve[] {
  return [curve("p50", stretches, ({ p50 }) => p50), curve("p99", stretches, ({ p99 }) => p99)];
}

function rates(phase: Phase): Curve[] {
  return [goodRate("200", phase), curve("503", phase.stretches, ({ refusedPerSecond }) => refusedPerSecond)];
}

function goodRate(name: string, { stretches }: Phase): Curve {
  return curve(name, stretches, ({ goodPerSecond }) => goodPerSecond);
}

function memoryCurve(
  name: string,
  { memory }: Phase,
  bytesOf: (stretch: MemoryStretch) => number | undefined,
): Curve {
  return curve(name, memory, (stretch) => (bytesOf(stretch) ?? Number.NaN) / MiB);
}

/** Leaves out stretches without a value. JSON stores NaN as null. */
function curve<S extends Stretch | MemoryStretch>(
  name: string,
  stretches: readonly S[],
  pick: (stretch: S) => number | null,
): Curve {
  const points = stretches.map((stretch) => ({ x: stretch.atSeconds, y: pick(stretch) ?? Number.NaN }));
  return { name, points: points.filter(({ y }) => Number.isFinite(y)) };
}

function chart(title: string, yLabel: string, curves: Curve[], limit?: LineChart["limit"]): LineChart {
  const axes = { xLabel: "seconds", x: "linear", y: "linear", dense: true } as const;
  return { title, yLabel, curves, ...axes, ...(limit ? { limit } : {}) };
}

/** Draws the charts that have points. Without any, there is no sheet. */
function sheet(title: string, charts: readonly (LineChart | undefined)[]): string {
  const drawn = charts.filter((one) => one?.curves.some(({ points }) => points.length > 0));
  return drawn.length > 0 ? lineSheet(title, drawn as LineChart[]) : "";
}

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
    ["minute", "smallest", "largest", "WASM", "JS", "ArrayBuffers", "process"],
    memoryByMinute.map(({ atSeconds, floorBytes, peakBytes, peak, processBytes = Number.NaN }) => {
      const { ortBytes, usedBytes, bufferBytes } = peak;
      const sizes = [floorBytes, peakBytes, ortBytes, usedBytes, bufferBytes, processBytes];
      return [1 + atSeconds / 60, ...sizes.map((bytes) => bytes / MiB)];
    }),
    "smallest, largest: sum of WASM memory, JS objects and ArrayBuffers, including garbage, sampled every 0.1 s. WASM, JS, ArrayBuffers: parts of the largest sum. process: largest resident size of workerd.",
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
