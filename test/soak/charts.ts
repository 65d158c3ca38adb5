/** Draws the charts of a soak. */
import { MiB } from "../../bench/common/report.ts";
import { type Curve, type LineChart, lineSheet } from "../../cli/plot/charts.ts";
import { isolateBytes as isolateLimit } from "../../src/limits.ts";
import type { Phase } from "./phase.ts";
import type { SoakResults } from "./run.ts";
import type { MemoryStretch, Stretch } from "./stretches.ts";

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
        memoryCurve("ORT's heap", sustained, ({ peak }) => peak.ortBytes),
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
