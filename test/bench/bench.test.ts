/** What the bench makes of its measurements: order of the rounds, medians, verdicts. No timing here. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { stageMs } from "../../bench/common/requests.ts";
import { findRun, readRun, saveRun } from "../../bench/common/run-files.ts";
import { type Figure, figures, verdict } from "../../bench/figures.ts";
import { madeOnce } from "../../bench/pictures/cache-folder.ts";
import { fourToThree, neverSeen } from "../../bench/pictures/photos.ts";
import { fullPlan, quickPlan } from "../../bench/plan.ts";
import { benchRuns, median, quantile, summarise } from "../../bench/results.ts";
import { measureRounds, type Results, roundOrder } from "../../bench/run.ts";
import { joinShards } from "../../bench/stand-in/stand-in.ts";
import type { Graph } from "../../cli/onnx/graph.ts";
import { passing, rounds, withSamples } from "./bench-fixture.ts";

const MiB = 2 ** 20;

describe("statistics", () => {
  test("the median is the middle one, in whatever order, and the mean of the two middle ones", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 100])).toBe(3);
    expect(median([])).toBeNaN();
  });

  test("quantiles lie between ranks and never outside", () => {
    expect(quantile([0, 10], 0.25)).toBe(2.5);
    expect(quantile([3, 1, 2], 0)).toBe(1);
    expect(quantile([3, 1, 2], 1)).toBe(3);
    expect(quantile([3, 1, 2], 2)).toBe(3);
  });

  test("a summary is the median of the rounds' medians, with the rounds' spread", () => {
    const samples = [10, 30, 20].map((value, round) => {
      return { subject: "ours", round, values: { run: [value, value, 1000] } };
    });
    expect(summarise(samples, "ours", "run")).toEqual({
      median: 20,
      min: 10,
      max: 30,
      rounds: 3,
    });
    expect(summarise(samples, "ours", "cold")).toBeUndefined();
    expect(summarise(samples, "theirs", "run")).toBeUndefined();
  });
});

describe("rounds", () => {
  test("every other round goes backwards", () => {
    expect([0, 1, 2].map((round) => roundOrder(["a", "b", "c"], round).join(""))).toEqual([
      "abc",
      "cba",
      "abc",
    ]);
  });

  test("each subject is measured once a round, and its values keep their round", async () => {
    const calls: string[] = [];
    const subject = (name: string) => ({
      name,
      measure: async () => {
        calls.push(name);
        return { run: [calls.length] };
      },
    });
    const { samples, failures } = await measureRounds([subject("a"), subject("b")], 2);
    expect(calls).toEqual(["a", "b", "b", "a"]);
    expect(samples.map(({ subject, round, values }) => [subject, round, values.run?.[0]])).toEqual([
      ["a", 0, 1],
      ["b", 0, 2],
      ["b", 1, 3],
      ["a", 1, 4],
    ]);
    expect(failures).toEqual([]);
  });

  test("a subject that cannot run is told once with its reason; the others go on", async () => {
    let tries = 0;
    const broken = {
      name: "broken",
      measure: async () => {
        tries++;
        throw Object.assign(new Error("Command failed: node x"), { stderr: "at x\nTypeError: no backend\n" });
      },
    };
    const well = { name: "well", measure: async () => ({ run: [1] }) };
    const { samples, failures } = await measureRounds([broken, well], 3);
    expect(failures).toEqual([{ what: "broken", reason: "TypeError: no backend" }]);
    expect(tries).toBe(1);
    expect(samples).toHaveLength(3);
  });
});

describe("figures", () => {
  const named = (all: readonly Figure[], part: string) => all.find(({ what }) => what.includes(part))!;

  test("all hold at their bars", () => {
    const all = figures(passing);
    expect(all).toHaveLength(14);
    expect(all.map((figure) => [figure.what, verdict(figure)])).toEqual(
      all.map(({ what }) => [what, "pass"]),
    );
  });

  test.each([
    ["one model loaded", withSamples(passing, rounds("ours", "heap:wasm", 30.1 * MiB)), 30.1],
    ["hot swaps", { ...passing, swapHeapBytes: [1, 2, 3, 31 * MiB, 4] }, 31],
    ["Isolate in all", { ...passing, burst: { ...passing.burst!, peakJsBytes: 51 * MiB } }, 101],
    ["end to end", withSamples(passing, rounds("ours", "warm:500x375", 71)), 0.71],
    ["Forward pass", withSamples(passing, rounds("ours", "stage:run", 56)), 0.56],
    ["Price", withSamples(passing, rounds("ours-onnxruntime", "cpu:500x375", 150)), 75.2 / 110.3],
    ["Cold first", withSamples(passing, rounds("ours", "cold", 360)), 0.36],
    ["12 MP baseline", withSamples(passing, rounds("decode-ours", "tensor:12mp", 50)), 0.1],
    ["Cache hit", withSamples(passing, rounds("ours", "hit", 14)), 0.2],
    ["SIMD engine", { ...passing, engines: { ...passing.engines!, different: 2 } }, 2],
    ["bit for bit", { ...passing, exact: { compared: 4000, different: 1 } }, 1],
  ])("a miss is told as one: %s", (part, results, value) => {
    const all = figures(results);
    const figure = part === "bit for bit" ? all.at(-1)! : named(all, part);
    expect(figure.value).toBeCloseTo(value, 6);
    expect(verdict(figure)).toBe("miss");
    expect(all.filter((other) => verdict(other) === "miss")).toHaveLength(1);
  });

  test("eight photos that fit are a miss all the same when one is refused", () => {
    const burst = { ...passing.burst!, statuses: [200, 200, 503, 200, 200, 200, 200, 200] };
    const figure = named(figures({ ...passing, burst }), "Isolate in all");
    expect(figure.value).toBeCloseTo(100, 6);
    expect(verdict(figure)).toBe("miss");
    expect(figure.objection).toBe("1 of 8 were answered 503");
  });

  test("what was not measured neither passes nor misses; four swaps are not five", () => {
    const nothing = {
      ...passing,
      samples: [],
      burst: null,
      swapHeapBytes: [1, 1, 1, 1],
      exact: null,
      engines: null,
    };
    expect(new Set(figures(nothing).map(verdict))).toEqual(new Set(["not measured"]));
  });
});

describe("results files", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-results-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("the last full run counts, however many quick ones came after it", async () => {
    expect(await findRun({ ...benchRuns, folder: path.join(folder, "none") })).toBeUndefined();
    await saveRun(
      { ...benchRuns, folder },
      { ...passing, mode: "quick", startedAt: "2026-11-20T00:00:00.000Z" },
    );
    expect((await findRun<Results>({ ...benchRuns, folder }))?.mode).toBe("quick");
    await saveRun({ ...benchRuns, folder }, { ...passing, startedAt: "2026-11-21T00:00:00.000Z" });
    await saveRun({ ...benchRuns, folder }, { ...passing, startedAt: "2026-11-22T00:00:00.000Z" });
    await saveRun(
      { ...benchRuns, folder },
      { ...passing, mode: "quick", startedAt: "2026-11-23T00:00:00.000Z" },
    );
    expect((await findRun<Results>({ ...benchRuns, folder }))?.startedAt).toBe("2026-11-22T00:00:00.000Z");
  });

  test("a file that is none, or of another format, is refused with what to do", async () => {
    const saved = await saveRun({ ...benchRuns, folder }, { ...passing, format: 99 });
    await expect(readRun(benchRuns, saved)).rejects.toThrow(
      /does not hold results of npm run bench in format 3; run it again/,
    );
    await expect(readRun(benchRuns, path.join(folder, "no.json"))).rejects.toThrow(
      /cannot be read; make one: npm run/,
    );
  });
});

describe("what is made once", () => {
  test("is not made again, and half of it is never taken for the whole", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-made-"));
    try {
      const file = path.join(folder, "thing");
      let times = 0;
      const make = async (temporary: string) => {
        await writeFile(temporary, "half");
        if (times++ === 0) throw new Error("interrupted");
        await writeFile(temporary, "whole");
      };
      await expect(madeOnce(file, make)).rejects.toThrow("interrupted");
      for (let i = 0; i < 3; i++) await madeOnce(file, make);
      expect(await readFile(file, "utf8")).toBe("whole");
      expect(times).toBe(2);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("inputs", () => {
  test("megapixels become 4:3 pictures of whole pixels", () => {
    expect(fourToThree(12)).toEqual({ width: 4000, height: 3000 });
    for (const megapixels of fullPlan.megapixels) {
      const { width, height } = fourToThree(megapixels);
      expect(width * 3).toBe(height * 4);
      expect((width * height) / 1e6 / megapixels).toBeCloseTo(1, 1);
      expect(width * height).toBeLessThanOrEqual(50e6);
    }
  });

  test("a file that no cache knows begins with the same JPEG and is never the same", () => {
    const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xd9);
    const [one, other] = [neverSeen(jpeg), neverSeen(jpeg)];
    expect([...one.subarray(0, 4)]).toEqual([...jpeg]);
    expect([...one]).not.toEqual([...other]);
  });

  test("a quick run measures less of the same", () => {
    expect(quickPlan.rounds).toBeLessThan(fullPlan.rounds);
    for (const list of ["decodePhotos", "concurrency"] as const) {
      expect(fullPlan[list]).toEqual(expect.arrayContaining([...quickPlan[list]]));
    }
    expect(fullPlan.rounds, "the cold start is a median of five").toBeGreaterThanOrEqual(5);
  });

  test("a stage is read from Server-Timing, and is no number when it is not there", () => {
    const headers = new Headers({ "Server-Timing": "read;dur=1.5, run;dur=118.2;desc=x, total;dur=130" });
    expect(["read", "run", "total"].map((stage) => stageMs(headers, stage))).toEqual([1.5, 118.2, 130]);
    expect(stageMs(headers, "un")).toBeNaN();
  });

  test("shards are joined into the one graph that they were cut from", () => {
    const node = (name: string, inputs: string[]) => {
      return { name, op: "Relu", domain: "", inputs, outputs: [name], attributes: new Map() };
    };
    const value = (name: string) => ({ name, type: "float32", dims: [1] }) as const;
    const shard = (inputs: string[], nodes: Graph["nodes"], outputs: string[]): Graph => ({
      name: "g",
      opset: 13,
      nodes,
      initializers: new Map(),
      inputs: inputs.map(value),
      outputs: outputs.map(value),
    });
    const [a, b, c] = [node("a", ["x"]), node("b", ["a"]), node("c", ["a", "b"])];
    const whole = joinShards([
      shard(["x"], [a], ["a"]),
      shard(["a"], [b], ["a", "b"]),
      shard(["a", "b"], [c], ["c"]),
    ]);
    expect(whole.nodes).toEqual([a, b, c]);
    expect(whole.inputs).toEqual([value("x")]);
    expect(whole.outputs).toEqual([value("c")]);
    expect(() => joinShards([])).toThrow(/no shards/);
  });
});
