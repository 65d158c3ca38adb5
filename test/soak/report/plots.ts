/** The drawings of a soak. Pure. */

import { type Curve, type LineChart, lineSheet } from "../../../cli/plot/charts.ts";
import { isolateBytes as isolateLimit } from "../../../src/limits.ts";
import type { Stretch } from "../measure/latency.ts";
import type { MemoryStretch } from "../measure/memory.ts";
import type { AttackPhase, Phase, SoakResults } from "../results.ts";

const MiB = 2 ** 20;

/** File name, without a folder, to SVG. */
export function soakPlots(results: SoakResults): Map<string, string> {
  return new Map([
    ["soak-memory.svg", memorySheet(results)],
    ["soak-latency.svg", latencySheet(results)],
    ...(results.attacks.length > 0 ? [["soak-attacks.svg", attackSheet(results)] as const] : []),
  ]);
}

function memorySheet({ sustained, overload }: SoakResults): string {
  const limit = { y: isolateLimit / MiB, label: "the isolate's 128 MB" };
  const isolate = ({ memory }: Phase): Curve[] => [
    memoryCurve("most", memory, ({ peakBytes }) => peakBytes),
    memoryCurve("least", memory, ({ floorBytes }) => floorBytes),
  ];
  const charts = [
    chart(
      "Memory of the isolate under sustained traffic, garbage included",
      "MiB",
      isolate(sustained),
      limit,
    ),
    chart("What the most is made of", "MiB", [
      memoryCurve("ORT's heap", sustained.memory, ({ peak }) => peak.ortBytes),
      memoryCurve("JS objects", sustained.memory, ({ peak }) => peak.usedBytes),
      memoryCurve("ArrayBuffers", sustained.memory, ({ peak }) => peak.bufferBytes),
    ]),
  ];
  const resident = memoryCurve("process", sustained.memory, ({ processBytes }) => processBytes);
  if (resident.points.length > 0)
    charts.push(chart("Resident memory of the whole workerd process", "MiB", [resident]));
  if (overload) charts.push(chart("Memory of the isolate in the overload", "MiB", isolate(overload), limit));
  return lineSheet("Memory in a soak", charts);
}

function latencySheet({ sustained, overload }: SoakResults): string {
  const charts = [
    chart("Time to answer under sustained traffic", "ms", times(sustained)),
    chart("Throughput under sustained traffic", "answers/s", rates(sustained)),
  ];
  if (overload) {
    charts.push(
      chart("Throughput in the overload", "answers/s", rates(overload)),
      chart("Time to answer in the overload, from when a request was due", "ms", times(overload)),
    );
  }
  return lineSheet("Latency and throughput in a soak", charts);
}

function attackSheet({ attacks }: SoakResults): string {
  const limit = { y: isolateLimit / MiB, label: "the isolate's 128 MB" };
  const each = (curves: (attack: AttackPhase) => Curve) => attacks.map(curves);
  return lineSheet("Attacks in a soak", [
    chart(
      "Answers a second, 200 only",
      "answers/s",
      each(({ name, phase }) => curve(name, phase.stretches, ({ goodPerSecond }) => goodPerSecond)),
    ),
    chart(
      "Memory of the isolate, the most, garbage included",
      "MiB",
      each(({ name, phase }) => memoryCurve(name, phase.memory, ({ peakBytes }) => peakBytes)),
      limit,
    ),
    chart(
      "Resident memory of the whole workerd process",
      "MiB",
      each(({ name, phase }) => memoryCurve(name, phase.memory, ({ processBytes }) => processBytes)),
    ),
  ]);
}

function times({ stretches }: Phase): Curve[] {
  return [curve("p50", stretches, ({ p50 }) => p50), curve("p99", stretches, ({ p99 }) => p99)];
}

function rates({ stretches }: Phase): Curve[] {
  return [
    curve("200", stretches, ({ goodPerSecond }) => goodPerSecond),
    curve("503", stretches, ({ refusedPerSecond }) => refusedPerSecond),
  ];
}

function chart(title: string, yLabel: string, curves: Curve[], limit?: LineChart["limit"]): LineChart {
  const axes = { xLabel: "seconds", x: "linear", y: "linear", dense: true } as const;
  return { title, yLabel, curves, ...axes, ...(limit ? { limit } : {}) };
}

function memoryCurve(
  name: string,
  stretches: readonly MemoryStretch[],
  bytesOf: (stretch: MemoryStretch) => number | undefined,
): Curve {
  return curve(name, stretches, (stretch) => (bytesOf(stretch) ?? Number.NaN) / MiB);
}

/** Stretches in which there was nothing to measure have no point. NaN is null after a way through JSON. */
function curve<S extends Stretch | MemoryStretch>(
  name: string,
  stretches: readonly S[],
  pick: (stretch: S) => number | null,
): Curve {
  const points = stretches.map((stretch) => ({ x: stretch.atSeconds, y: pick(stretch) ?? Number.NaN }));
  return { name, points: points.filter(({ y }) => Number.isFinite(y)) };
}
