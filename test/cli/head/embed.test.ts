/** The runtime that computes features: the faster one, unless its outputs are not those of the Worker's runtime. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { paceText } from "../../../cli/commands/train.ts";
import { type Dataset, readDataset } from "../../../cli/head/dataset.ts";
import { embed, type Pace } from "../../../cli/head/embed.ts";
import { nodeRuntime } from "../../../cli/pack/evaluate.ts";
import { nativeRuntime } from "../../../cli/pack/native.ts";
import type { LocalPack } from "../../../cli/store/local-pack.ts";
import { silentProgress } from "../../../cli/terminal/progress.ts";
import { drawSigns } from "../../../examples/transfer-learning/draw.ts";
import type { Runtime } from "../../../src/model/runtime.ts";
import { smallPack } from "../../support/small-pack.ts";

let folder: string;
let dataset: Dataset;
let pack: LocalPack;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "embed-"));
  await drawSigns(folder, 2);
  [dataset, pack] = [await readDataset(folder), await smallPack()];
});
afterAll(() => rm(folder, { recursive: true }));

/** A runtime whose features are those of the Worker's runtime, scaled. `runs` counts the passes of the model. */
function scaling(factor: number): Runtime & { runs: number } {
  const runtime: Runtime & { runs: number } = {
    ...nativeRuntime,
    runs: 0,
    async createSession(model) {
      const worker = await nodeRuntime();
      const session = await worker.createSession(model);
      return {
        ...session,
        async run(feeds) {
          const outputs = await session.run(feeds);
          const { features, logits } = outputs;
          if (!features || !logits) return outputs;
          runtime.runs++;
          const data = Float32Array.from(features.data as Float32Array, (value) => value * factor);
          return { ...outputs, features: worker.float32(data, features.dims) };
        },
      };
    },
  };
  return runtime;
}

async function embedWith(native: Runtime) {
  const paces: Pace[] = [];
  const onPace = (pace: Pace) => void paces.push(pace);
  const done = await embed(dataset, pack, { augmentation: "flip", progress: silentProgress, onPace, native });
  return { ...done, paces };
}

test("onnxruntime-node computes the features if it agrees with the Worker's runtime, which is measured", async () => {
  const native = scaling(1 + 1e-5);
  const { samples, runtime, paces } = await embedWith(native);
  expect(runtime).toBe("onnxruntime-node");
  expect(paces).toHaveLength(1);
  expect(paces[0]!.difference).toBeCloseTo(1e-5, 7);
  // Two views of each image, and of the five that are compared.
  expect(native.runs).toBe(2 * (samples.length + 5));
  expect(paceText(6, paces[0]!)).toMatch(/^the features of 6 images take about \d+ seconds/);
});

test("the Worker's runtime computes them if the two differ by more than 1e-4, and one line says so", async () => {
  const native = scaling(1 + 1e-3);
  const { samples, runtime, paces } = await embedWith(native);
  expect(runtime).toBe("onnxruntime-web");
  expect(native.runs).toBe(2 * 5);
  expect(samples.map(({ views }) => views)).toEqual(
    (await embedWith(scaling(1))).samples.map((s) => s.views),
  );
  expect(paceText(6, paces[0]!)).toMatch(
    /^onnxruntime-node differs by 1\.0e-3 .*at most 0\.0001 is accepted.*\nthe features of 6 images/,
  );
});

test("the features of the runtime that this processor gets are those of the Worker's, within 1e-4", async () => {
  const { samples, runtime, paces } = await embedWith(nativeRuntime);
  expect(runtime).toBe(paces[0]!.difference <= 1e-4 ? "onnxruntime-node" : "onnxruntime-web");
  const worker = (await embedWith(scaling(1))).samples;
  for (const [i, { views }] of samples.entries()) {
    for (const [v, view] of views.entries()) {
      const expected = worker[i]!.views[v]!;
      const difference = Math.hypot(...view.map((value, j) => value - expected[j]!));
      expect(difference).toBeLessThanOrEqual(1e-4 * Math.hypot(...expected));
    }
  }
});
