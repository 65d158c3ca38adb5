/** What a soak prints, draws and writes. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memoryLook, phase, soakResults } from "./fixture.ts";
import { Ledger } from "./measure/ledger.ts";
import { minuteLine } from "./progress.ts";
import { soakDocument } from "./report/document.ts";
import { soakReport } from "./report/terminal.ts";
import { writeSoakDocs } from "./report/write-docs.ts";
import { attackSeconds, overloadSeconds } from "./run.ts";
import { latestSoak, saveSoak } from "./store.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-soak-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the report", () => {
  test("has the machine, the counts, the latencies, the memory, the overload, and says that all is well", () => {
    const text = soakReport(soakResults());
    for (const part of [
      "a CPU, 2 cores",
      "workerd 1.0.0",
      "seed 1",
      "200: 3",
      "p99 ms",
      "60",
      "All counts add up",
      "slow readers",
      "The silence after each phase",
    ])
      expect(text).toContain(part);
    expect(text).toContain("first request after it");
  });

  test("of a soak that was interrupted has what there is", () => {
    const { overload: _, recovery: __, ...rest } = soakResults({ interrupted: true, attacks: [] });
    const text = soakReport(rest);
    expect(text).toContain("; interrupted");
    expect(text).not.toContain("Overload");
  });

  test("names each fault, in the document too", () => {
    const results = soakResults({ sustained: phase({ logged: {} }) });
    for (const text of [soakReport(results), soakDocument(results)]) {
      expect(text).toContain("3 answers were 200, the Worker's log has 0");
      expect(text).not.toContain("All counts add up");
    }
  });
});

test("a minute in plain words", () => {
  const ledger = new Ledger();
  ledger.sent("hit");
  ledger.ended("hit", { end: "answered", status: 200 }, 5, 4);
  const line = minuteLine("sustained, minute 1", ledger, { samples: [memoryLook(0, 10 * 2 ** 20)] });
  expect(line).toBe("sustained, minute 1: 1 answered, 0 wrong, 0 lost; p50 4 ms, p99 4 ms; isolate 60 MiB");
});

test("--write-docs writes a page and three drawings, the same from the saved file", async () => {
  const results = soakResults();
  await saveSoak(results, path.join(folder, "results"));
  await writeSoakDocs(await latestSoak(path.join(folder, "results")), folder);
  const svg = await readFile(path.join(folder, "plots", "soak-memory.svg"), "utf8");
  expect(svg).toContain("the isolate's 128 MB");
  expect(svg).not.toContain("NaN");
  expect(await readFile(path.join(folder, "plots", "soak-latency.svg"), "utf8")).not.toContain("NaN");
  expect(await readFile(path.join(folder, "plots", "soak-attacks.svg"), "utf8")).not.toContain("NaN");
  const page = await readFile(path.join(folder, "soak.md"), "utf8");
  expect(page).toBe(soakDocument(results));
  expect(page).toContain("![");
});

test("results of another format, and none at all, are told apart", async () => {
  await expect(latestSoak(path.join(folder, "nowhere"))).rejects.toThrow("there are no results yet");
  await writeFile(path.join(folder, "old.json"), '{"format":0}');
  await expect(latestSoak(folder)).rejects.toThrow("is not of format");
});

test("attacks and overload last in proportion, and long enough to be some", () => {
  expect([0.05, 1, 4, 10, 60].map(overloadSeconds)).toEqual([5, 30, 120, 300, 300]);
  expect([0.05, 1, 10, 60].map(attackSeconds)).toEqual([4, 10, 100, 100]);
});
