/** Hostile images over HTTP cause no 5xx and retain no memory, and the next valid image is answered as usual. */
import path from "node:path";
import { expect, test } from "vitest";
import { projectFolder } from "../../cli/store/project.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { fuzzInWorkerd } from "../fuzz/workerd.ts";

const MiB = 2 ** 20;

test("150 hostile files, with a valid image after every ten", async () => {
  const bundle = { folder: path.join(projectFolder, "dist"), script: "index.js" };
  const run = { count: 150, seed: 8, hangMs: 60_000, goodEvery: 10, bundle };
  const { outcomes, faults, memory } = await fuzzInWorkerd(run, silentProgress);
  expect(faults).toEqual([]);
  expect(outcomes.get("sound image after it")).toEqual(new Map([["right", 15]]));
  expect([...(outcomes.get("HTTP")?.values() ?? [])].reduce((a, b) => a + b, 0)).toBe(150);
  expect(outcomes.get("HTTP")?.get("200")).toBeGreaterThan(10);
  const { first, last } = memory;
  expect(last!.heapBytes - first!.heapBytes).toBeLessThanOrEqual(16 * MiB);
  // The decoder's memory is that of the largest file so far, within the budget of one decode.
  expect(last!.wasmBytes - first!.wasmBytes).toBeLessThanOrEqual(24 * MiB);
});
