/** Makes hostile files, tries each of them in Node or in workerd, and counts, reports and keeps what happens. */

import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { styleText } from "node:util";
import { joined, table, tableText } from "../../bench/common/report.ts";
import { megabytes } from "../../cli/terminal/output.ts";
import type { Progress } from "../../cli/terminal/progress.ts";
import { seededChoices } from "./choices.ts";
import { hostileFile } from "./generate.ts";
import { type Format, formats, seedsOf } from "./seeds.ts";

/** Which files to make: 0 to `count` of a seed. */
export interface FuzzRun {
  readonly count: number;
  readonly seed: number;
  /** Formats of the files. Default: all. */
  readonly formats?: readonly Format[];
  /** Time after which a file counts as a hang. */
  readonly hangMs: number;
}

/** What takes the files. */
export interface Target {
  readonly name: string;
  /** Files before the memory is measured first: code is compiled and buffers have their size by then. */
  readonly warmUpFiles: number;
  attempt(bytes: Uint8Array, index: number): Promise<readonly Trial[]>;
  memory(): Promise<Memory>;
}

/** Tries every file. */
export async function fuzz(run: FuzzRun, target: Target, progress: Progress): Promise<Tally> {
  const tally = newTally();
  const { count, seed } = run;
  const seeds = await seedsOf(run.formats ?? formats);
  for (let index = 0; index < count; index++) {
    if (index === target.warmUpFiles) tally.memory.first = await target.memory();
    const { bytes, from, mutations } = hostileFile(seededChoices(seed, index), seeds);
    const recipe = { index, from, mutations, bytes: bytes.length };
    for (const trial of await target.attempt(bytes, index)) addAttempt(tally, trial, recipe);
    tally.count++;
    progress.update(target.name, index + 1, count);
  }
  tally.memory.last = await target.memory();
  tally.memory.first ??= tally.memory.last;
  return tally;
}

/** How a file was made. */
export interface Recipe {
  readonly index: number;
  readonly from: string;
  readonly mutations: readonly string[];
  readonly bytes: number;
}

/** One attempt at a file. */
export interface Trial {
  readonly way: string;
  readonly outcome: string;
  readonly ms: number;
  /** What must never happen. */
  readonly fault?: string;
}

/** A hostile file that caused a fault, or the slowest of its way. */
export type Finding = Recipe & Omit<Trial, "outcome">;

/** Memory after garbage collection. */
export interface Memory {
  /** Bytes of JS objects and ArrayBuffers. */
  readonly heapBytes: number;
  /** Bytes of ORT's WASM memory. 0 where only images are decoded. */
  readonly wasmBytes: number;
}

/** Counts of a run. */
export type Tally = ReturnType<typeof newTally>;

/** Makes an empty tally. */
export function newTally() {
  return {
    /** Files. */
    count: 0,
    /** Files, by way and outcome. */
    outcomes: new Map<string, Map<string, number>>(),
    faults: [] as Finding[],
    /** The slowest file, by way. */
    slowest: new Map<string, Finding>(),
    memory: {} as { first?: Memory; last?: Memory },
  };
}

/** Counts one attempt at a file. With a `fault` it failed. */
export function addAttempt(tally: Tally, { way, outcome, ms, fault }: Trial, recipe: Recipe): void {
  const outcomes = tally.outcomes.get(way) ?? new Map<string, number>();
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  tally.outcomes.set(way, outcomes);
  const finding = { ...recipe, way, ms, ...(fault === undefined ? {} : { fault }) };
  if (fault !== undefined) tally.faults.push(finding);
  if (ms > (tally.slowest.get(way)?.ms ?? -1)) tally.slowest.set(way, finding);
}

/** Reports outcomes, the slowest file of each way, memory and faults. */
export function report({ outcomes, slowest, memory: { first, last }, faults, count }: Tally): string {
  const columns = [...new Set([...outcomes.values()].flatMap((row) => [...row.keys()]))].sort();
  const counts = [...outcomes].map(([way, row]) => [way, ...columns.map((column) => row.get(column) ?? 0)]);
  const times = [...slowest].map(([way, finding]) => [
    ...[way, finding.ms.toFixed(0), finding.index, finding.bytes, recipeText(finding)],
  ]);
  const change = (key: keyof Memory) => `${megabytes(first![key])} -> ${megabytes(last![key])}`;
  const lines = faults.map((finding) => {
    const { index, way, fault } = finding;
    return `file ${index}, ${way}: ${fault}\n  ${recipeText(finding)}`;
  });
  return joined(
    "\n\n",
    tableText(table("Files by way and outcome", ["way", ...columns], counts)),
    tableText(table("Slowest file of each way", ["way", "ms", "file", "bytes", "how it was made"], times)),
    first && last ? `JS heap: ${change("heapBytes")}; WASM memory: ${change("wasmBytes")}` : "",
    faults.length === 0
      ? styleText("green", `${count} files, no fault`)
      : [styleText("red", `${count} files, ${faults.length} faults`), ...lines].join("\n"),
  );
}

const recipeText = ({ from, mutations }: Recipe) => `${from}; ${mutations.join("; ")}`;

/**
 * Writes an image and a .json per file that failed. Of several findings about one file, keeps the last.
 * @returns the paths of the images
 */
export async function keepFindings(
  folder: string,
  run: Pick<FuzzRun, "seed" | "formats">,
  findings: readonly Finding[],
) {
  if (findings.length === 0) return [];
  await mkdir(folder, { recursive: true });
  const { seed, formats: chosen = formats } = run;
  const seeds = await seedsOf(chosen);
  const nameOf = ({ index }: Finding) => path.join(folder, `seed-${seed}-file-${index}`);
  const files = new Map(findings.map((finding) => [nameOf(finding), finding]));
  const images: string[] = [];
  for (const [file, finding] of files) {
    const { bytes, format } = hostileFile(seededChoices(seed, finding.index), seeds);
    const image = `${file}.${format === "jpeg" ? "jpg" : format}`;
    await writeFile(image, bytes);
    await writeFile(`${file}.json`, `${JSON.stringify({ seed, formats: chosen, ...finding }, null, 2)}\n`);
    images.push(image);
  }
  return images;
}
