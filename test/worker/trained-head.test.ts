/** The trainer and the Worker compute the same features and logits, bit for bit. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readDataset } from "../../cli/head/dataset.ts";
import { embed } from "../../cli/head/embed.ts";
import { plainView, type Sample } from "../../cli/head/rows.ts";
import { trainHead } from "../../cli/head/train.ts";
import { headFile } from "../../cli/head/write-head.ts";
import { nodeRuntime } from "../../cli/pack/evaluate.ts";
import { plainLabels } from "../../cli/pack/labels.ts";
import type { StoreBucket } from "../../cli/store/bucket.ts";
import { readLocalHead } from "../../cli/store/local-head.ts";
import { pushHead } from "../../cli/store/push.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { drawSigns } from "../../examples/transfer-learning/draw.ts";
import { type Head, headLogits, nearestCosine, parseHead } from "../../src/head/head.ts";
import { applyFunction, topK } from "../../src/model/scores.ts";
import { embeddedPack, TestWorker } from "../support/worker.ts";

let worker: TestWorker;
let folder: string;
let samples: readonly Sample[];
let head: Head;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "trained-head-"));
  await drawSigns(folder, 6);
  const pack = await embeddedPack();
  const dataset = await readDataset(folder);
  // The Worker's runtime in place of onnxruntime-node, whose last bits differ.
  const native = await nodeRuntime();
  const embedding = { augmentation: "flip", progress: silentProgress, onPace() {}, native } as const;
  ({ samples } = await embed(dataset, pack, embedding));
  const options = { method: "logistic", classCount: 3, folds: 3, seed: 1, unknownRate: 0.2 } as const;
  const { name, version } = pack.manifest;
  const { bytes } = await headFile(
    trainHead(samples, options, silentProgress),
    plainLabels(dataset.classes),
    {
      name: "signs",
      backbone: { name, version },
      method: "logistic",
      feature_size: pack.manifest.feature_size,
      training: {},
    },
  );
  head = await parseHead(bytes);
  await writeFile(path.join(folder, "signs.head.json"), bytes);
  worker = await TestWorker.start({ pack: "embedded" });
  const bucket = await worker.binding<StoreBucket>("MODELS");
  await pushHead(bucket, await readLocalHead(path.join(folder, "signs.head.json")), silentProgress);
});

afterAll(async () => {
  await worker?.close();
  await rm(folder, { recursive: true });
});

// Compare logits, because exp may differ in the last bit between versions of V8.
test("the Worker's logits of a trained head equal the trainer's", async () => {
  const threshold = head.file.unknown!.threshold;
  let unknown = 0;
  for (const sample of samples) {
    const bytes = new Uint8Array(await readFile(path.join(folder, sample.file)));
    const { status, json } = await worker.classify(bytes, "?head=signs&unknown=true&function_to_apply=none");
    expect(status).toBe(200);
    const features = plainView(sample);
    const logits = applyFunction(headLogits(head, features), "none");
    expect(json.predictions).toEqual(topK(logits, head.file.labels, 3));
    const cosine = nearestCosine(head, { features, logits: sample.logits[0]! })!;
    expect(json.unknown).toEqual({ is_unknown: cosine < threshold, cosine, threshold });
    unknown += cosine < threshold ? 1 : 0;
  }
  expect(unknown).toBeLessThan(samples.length / 2);
});
