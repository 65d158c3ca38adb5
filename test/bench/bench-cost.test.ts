/** What a month costs, and the command that tells it. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { costTable, estimateMonth, sensitivityTable, unitCosts } from "../../bench/cost.ts";
import { type UnitCosts, unitCostsComment, unitCostsFromDocument } from "../../cli/cost/prices.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { parseAmount } from "../../cli/terminal/options.ts";
import { passing } from "./bench-fixture.ts";

const costs: UnitCosts = { missCpuMs: 100, hitCpuMs: 2, coldCpuMs: 1000, r2ReadsPerCold: 8, packBytes: 22e6 };
const noHits = { hitRate: 0, coldRate: 0 };

describe("a month", () => {
  test("costs what Cloudflare's own example says: 15 million requests of 7 ms are $8", () => {
    const example = { ...costs, missCpuMs: 7 };
    const { lines, dollars } = estimateMonth({ imagesPerDay: 500_000, ...noHits }, example);
    expect(lines.map((line) => line.dollars)).toEqual([5, 1.5, expect.closeTo(1.5, 9), 0, 0]);
    expect(dollars).toBeCloseTo(8, 9);
  });

  test("of a million images a day: requests, CPU and reads beyond what is included", () => {
    const { lines, dollarsPerMillionImages } = estimateMonth(
      { imagesPerDay: 1e6, hitRate: 0, coldRate: 0.1 },
      costs,
    );
    const [subscription, requests, cpu, reads, storage] = lines;
    expect(subscription?.dollars).toBe(5);
    expect(requests).toMatchObject({ quantity: 30e6, dollars: expect.closeTo(6, 9) });
    // A tenth of the requests at 1000 ms, the rest at 100.
    expect(cpu?.quantity).toBeCloseTo(30e6 * 190, 0);
    expect(cpu?.dollars).toBeCloseTo(((30e6 * 190 - 30e6) / 1e6) * 0.02, 9);
    expect(reads).toMatchObject({ quantity: 24e6, dollars: expect.closeTo(14 * 0.36, 9) });
    expect(storage?.dollars).toBe(0);
    expect(dollarsPerMillionImages).toBeCloseTo((5 + 6 + 113.4 + 5.04) / 30, 9);
  });

  test("of few images costs the subscription alone, and never less", () => {
    expect(estimateMonth({ imagesPerDay: 1000, ...noHits }, costs).dollars).toBe(5);
  });

  test("storage beyond 10 GB is charged by the gigabyte", () => {
    const { lines } = estimateMonth({ imagesPerDay: 1, ...noHits }, { ...costs, packBytes: 12e9 });
    expect(lines.at(-1)?.dollars).toBeCloseTo(0.03, 9);
  });

  test("hits are of warm requests; a cold one loads whatever it asks for", () => {
    expect(estimateMonth({ imagesPerDay: 1, hitRate: 1, coldRate: 0 }, costs).averageCpuMs).toBe(2);
    expect(estimateMonth({ imagesPerDay: 1, hitRate: 0.5, coldRate: 0 }, costs).averageCpuMs).toBe(51);
    expect(estimateMonth({ imagesPerDay: 1, hitRate: 1, coldRate: 1 }, costs).averageCpuMs).toBe(1000);
  });
});

describe("unit costs", () => {
  test("come from the run's medians", () => {
    expect(unitCosts(passing)).toEqual({ ...costs, coldCpuMs: 900 });
  });

  test("are missing where CPU was not measured, instead of nothing", () => {
    const samples = passing.samples.map(({ values, ...sample }) => {
      const kept = Object.entries(values).filter(([metric]) => !metric.startsWith("cpu:"));
      return { ...sample, values: Object.fromEntries(kept) };
    });
    expect(unitCosts({ ...passing, samples })).toBeUndefined();
    expect(unitCosts(passing, "24mp")).toBeUndefined();
  });

  test("survive the document that carries them", () => {
    expect(unitCostsFromDocument(`# Scaling\n\n${unitCostsComment(costs)}\n\nmore`)).toEqual(costs);
    expect(unitCostsFromDocument("# Scaling")).toBeUndefined();
  });

  test("tables end in the sum and tell each choice of workload", () => {
    const workload = { imagesPerDay: 1e6, hitRate: 0.5, coldRate: 0.01 };
    const { dollars } = estimateMonth(workload, costs);
    expect(costTable(workload, costs).rows.at(-2)?.at(-1)).toBe(`$${dollars.toFixed(2)}`);
    const { rows } = sensitivityTable([workload], [{ name: "small", costs }]);
    expect(rows).toEqual([["1,000,000", "50%", "1%", `$${dollars.toFixed(2)}`]]);
  });

  test("amounts are whole and over nothing", () => {
    expect(["1e6", "1_000_000", "50000"].map(parseAmount)).toEqual([1e6, 1e6, 50_000]);
    for (const wrong of ["", "0", "-1", "1.5", "many", "NaN", "1e13"]) {
      expect(() => parseAmount(wrong), wrong).toThrow(/expected an integer/);
    }
  });
});

describe("npm run bench", () => {
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-bench-cli-"));
    file = path.join(folder, "results.json");
    await writeFile(file, JSON.stringify(passing));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const bench = (...args: string[]) =>
    promisify(execFile)(process.execPath, ["bench/main.ts", ...args], { cwd: projectFolder });

  test("--cost tells what a month costs, by a run's figures", async () => {
    const { stdout } = await bench(
      "--cost",
      "--results",
      file,
      "--images-per-day",
      "500000",
      "--hit-rate",
      "1",
    );
    expect(stdout).toContain("500,000 images a day, 100% cache hits, 1% cold");
    expect(stdout).toMatch(/^all +\$\d+\.\d\d$/m);
  });

  test("--report prints a run again", async () => {
    const { stdout } = await bench("--report", "--results", file);
    expect(stdout).toMatch(/pass {2}WASM memory of the engine, one model loaded +30 MiB/);
  });

  test("what it cannot use is one clear line", async () => {
    const missing = bench("--cost", "--results", path.join(folder, "no.json"));
    await expect(missing).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: .*no\.json cannot/m),
    });
    await expect(bench("--cost", "--hit-rate", "2")).rejects.toMatchObject({
      stderr: expect.stringContaining("expected a share from 0 to 1"),
    });
  });
});
