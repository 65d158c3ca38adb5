/** What a run has seen, added up; and its report. */
import { styleText } from "node:util";
import { megabytes, table } from "../terminal/output.ts";

/** One hostile file that did what none may do, or the slowest of its way. */
export interface Finding {
  readonly index: number;
  readonly way: string;
  readonly from: string;
  readonly mutations: readonly string[];
  /** What happened, for a fault; else nothing. */
  readonly fault?: string;
  readonly ms: number;
  readonly bytes: number;
}

export interface Memory {
  /** Bytes after a collection: JS objects with ArrayBuffers. */
  readonly heapBytes: number;
  /** Bytes of ORT's WASM memory; 0 where only images are decoded. */
  readonly wasmBytes: number;
}

export interface Tally {
  /** Files. */
  count: number;
  /** By way, by outcome: files. */
  readonly outcomes: Map<string, Map<string, number>>;
  readonly faults: Finding[];
  /** By way: the slowest file. */
  readonly slowest: Map<string, Finding>;
  readonly memory: { first?: Memory; last?: Memory };
}

export function newTally(): Tally {
  return { count: 0, outcomes: new Map(), faults: [], slowest: new Map(), memory: {} };
}

export function addAttempt(
  tally: Tally,
  attempt: { readonly way: string; readonly outcome: string; readonly ms: number },
  finding: Finding,
) {
  const { way, outcome, ms } = attempt;
  const outcomes = tally.outcomes.get(way) ?? new Map<string, number>();
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  tally.outcomes.set(way, outcomes);
  if (finding.fault !== undefined) tally.faults.push(finding);
  if (ms > (tally.slowest.get(way)?.ms ?? -1)) tally.slowest.set(way, finding);
}

/** Tables of outcomes, of the slowest file of each way, of memory; then the faults. */
export function report(tally: Tally): string {
  return [outcomeTable(tally), slowestTable(tally), memoryLine(tally), faultLines(tally)]
    .filter(Boolean)
    .join("\n\n");
}

function outcomeTable({ outcomes }: Tally): string {
  const columns = [...new Set([...outcomes.values()].flatMap((row) => [...row.keys()]))].sort();
  const rows = [...outcomes].map(([way, row]) => [
    way,
    ...columns.map((column) => String(row.get(column) ?? 0)),
  ]);
  return table(
    [["way", ...columns], ...rows],
    columns.map((_, i) => i + 1),
  );
}

function slowestTable({ slowest }: Tally): string {
  const rows = [...slowest].map(([way, { ms, index, bytes, from, mutations }]) => [
    way,
    ms.toFixed(0),
    String(index),
    String(bytes),
    `${from}; ${mutations.join("; ")}`,
  ]);
  return table([["slowest by way", "ms", "file", "bytes", "how it was made"], ...rows], [1, 2, 3]);
}

function memoryLine({ memory: { first, last } }: Tally): string {
  if (!first || !last) return "";
  const change = (a: number, b: number) => `${megabytes(a)} -> ${megabytes(b)}`;
  return `JS heap: ${change(first.heapBytes, last.heapBytes)}; WASM memory: ${change(first.wasmBytes, last.wasmBytes)}`;
}

function faultLines({ faults, count }: Tally): string {
  if (faults.length === 0) return styleText("green", `${count} files, no fault`);
  const lines = faults.map(
    ({ index, way, from, mutations, fault }) =>
      `file ${index}, ${way}: ${fault}\n  ${from}; ${mutations.join("; ")}`,
  );
  return `${styleText("red", `${count} files, ${faults.length} faults`)}\n${lines.join("\n")}`;
}
