/** What a soak prints, draws and writes. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { latestRun, saveRun } from "../../bench/common/run-files.ts";
import { withFolder } from "../../cli/store/project.ts";
import { memoryLook, phase, soakResults } from "./fixture.ts";
import { Ledger } from "./ledger.ts";
import { minuteLine } from "./progress.ts";
import { soakDocument, soakReport, writeSoakDocs } from "./report.ts";

import { attackSeconds, overloadSeconds, type SoakResults, soakRuns } from "./run.ts";

describe("the report", () => {
  test("has the machine, the counts, the latencies, the memory, the overload, and says that all is well", () => {
    const text = soakReport(soakResults());
    const machine = ["a CPU, 2 cores", "workerd 1.0.0", "seed 1"];
    const tables = ["200: 3", "p99 ms", "60", "slow readers", "The silence after each phase"];
    const verdict = ["All counts add up", "first request after it"];
    for (const part of [...machine, ...tables, ...verdict]) expect(text).toContain(part);
  });

  test("of an interrupted soak has the phases that ran", () => {
    const rest = soakResults({ interrupted: true, attacks: [], overload: undefined });
    const text = soakReport(rest);
    expect(text).toContain("; interrupted");
    expect(text).not.toContain("Overload");
    expect(soakDocument(rest)).not.toContain("## Overload");
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
  const memory = { samples: [memoryLook(0, 10 * 2 ** 20)] };
  expect(minuteLine("sustained, minute 1", { ledger, memory })).toBe(
    "sustained, minute 1: 1 answered, 0 wrong, 0 without an answer; p50 4 ms, p99 4 ms; isolate 60 MiB",
  );
});

test("--write-docs writes a page and three drawings, the same from the saved file", () =>
  withFolder(async (folder) => {
    const results = soakResults();
    const runs = { ...soakRuns, folder: path.join(folder, "results") };
    await saveRun(runs, results);
    await writeSoakDocs(await latestRun<SoakResults>(runs), folder);
    const read = (file: string) => readFile(path.join(folder, file), "utf8");
    for (const name of ["memory", "latency", "attacks"]) {
      expect(await read(`plots/soak-${name}.svg`)).not.toContain("NaN");
    }
    expect(await read("plots/soak-memory.svg")).toContain("the isolate's 128 MB");
    const page = await read("soak.md");
    expect(page).toBe(soakDocument(results));
    expect(page).toContain("![");
    expect(page).not.toMatch(/NaN|undefined|\n\n\n/);
  }));

test("results of another format and missing results cause different errors", () =>
  withFolder(async (folder) => {
    const nowhere = { ...soakRuns, folder: path.join(folder, "nowhere") };
    await expect(latestRun(nowhere)).rejects.toThrow("there are no results yet");
    await writeFile(path.join(folder, "old.json"), '{"format":0}');
    await expect(latestRun({ ...soakRuns, folder })).rejects.toThrow("in format 3; run it again");
  }));

test("attacks and overload last in proportion, and long enough to have an effect", () => {
  expect([0.05, 1, 4, 10, 60].map(overloadSeconds)).toEqual([5, 30, 120, 300, 300]);
  expect([0.05, 1, 10, 60].map(attackSeconds)).toEqual([4, 10, 100, 100]);
});
