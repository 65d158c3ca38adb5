/** Counts what happens in a run, and reports it. */
import { styleText } from "node:util";
import { megabytes, table } from "../../cli/terminal/output.ts";

/** How a file was made. */
export interface Recipe {
  readonly index: number;
  readonly from: string;
  readonly mutations: readonly string[];
  readonly bytes: number;
}

/** A hostile file that caused a fault, or the slowest of its way. */
export interface Finding extends Recipe {
  readonly way: string;
  readonly fault?: string;
  readonly ms: number;
}

/** Memory after garbage collection. */
export interface Memory {
  /** Bytes of JS objects and ArrayBuffers. */
  readonly heapBytes: number;
  /** Bytes of ORT's WASM memory; 0 where only images are decoded. */
  readonly wasmBytes: number;
}

/** Counts of a run. */
export interface Tally {
  /** Files. */
  count: number;
  /** Files, by way and outcome. */
  readonly outcomes: Map<string, Map<string, number>>;
  readonly faults: Finding[];
  /** The slowest file, by way. */
  readonly slowest: Map<string, Finding>;
  readonly memory: { first?: Memory; last?: Memory };
}

/** An empty tally. */
export function newTally(): Tally {
  return { count: 0, outcomes: new Map(), faults: [], slowest: new Map(), memory: {} };
}

/** Counts one attempt at a file. With a `fault` it failed. */
export function addAttempt(
  tally: Tally,
  attempt: { readonly way: string; readonly outcome: string; readonly ms: number; readonly fault?: string },
  recipe: Recipe,
): void {
  const { way, outcome, ms, fault } = attempt;
  const outcomes = tally.outcomes.get(way) ?? new Map<string, number>();
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  tally.outcomes.set(way, outcomes);
  const finding = { ...recipe, way, ms, ...(fault === undefined ? {} : { fault }) };
  if (fault !== undefined) tally.faults.push(finding);
  if (ms > (tally.slowest.get(way)?.ms ?? -1)) tally.slowest.set(way, finding);
}

/** Tables of outcomes, of the slowest file of each way and of memory; then the faults. */
export function report({ outcomes, slowest, memory: { first, last }, faults, count }: Tally): string {
  const columns = [...new Set([...outcomes.values()].flatMap((row) => [...row.keys()]))].sort();
  const counts = [...outcomes].map(([way, row]) => [
    way,
    ...columns.map((column) => String(row.get(column) ?? 0)),
  ]);
  const times = [...slowest].map(([way, finding]) => [
    ...[way, finding.ms.toFixed(0), String(finding.index), String(finding.bytes), recipeText(finding)],
  ]);
  const change = (key: keyof Memory) => `${megabytes(first![key])} -> ${megabytes(last![key])}`;
  const lines = faults.map((finding) => {
    const { index, way, fault } = finding;
    return `file ${index}, ${way}: ${fault}\n  ${recipeText(finding)}`;
  });
  return [
    table(
      [["way", ...columns], ...counts],
      [...columns.keys()].map((i) => i + 1),
    ),
    table([["slowest by way", "ms", "file", "bytes", "how it was made"], ...times], [1, 2, 3]),
    ...(first && last ? [`JS heap: ${change("heapBytes")}; WASM memory: ${change("wasmBytes")}`] : []),
    faults.length === 0
      ? styleText("green", `${count} files, no fault`)
      : [styleText("red", `${count} files, ${faults.length} faults`), ...lines].join("\n"),
  ].join("\n\n");
}

const recipeText = ({ from, mutations }: Recipe) => `${from}; ${mutations.join("; ")}`;
