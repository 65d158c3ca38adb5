import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { packClassifier } from "../../../cli/pack/evaluate.ts";
import { syntheticImages } from "../../../cli/pack/images.ts";
import { labelsSchema, manifestSchema, manifestVersion } from "../../../src/model/manifest.ts";

const folder = path.join(import.meta.dirname, "../../../model-shards/resnet34-tiny-imagenet");
const read = (file: string) => readFileSync(path.join(folder, file));
const json = JSON.parse(read("manifest.json").toString("utf8"));
const manifest = manifestSchema.parse(json);

describe("the embedded pack", () => {
  test("is whole: every file is there, of its size and hash, and no other; the version is the manifest's hash", async () => {
    const named = [...manifest.shards, manifest.labels];
    for (const { file, bytes, sha256 } of named) {
      expect(read(file)).toHaveLength(bytes);
      expect(createHash("sha256").update(read(file)).digest("hex")).toBe(sha256);
    }
    expect(readdirSync(folder).sort()).toEqual(["manifest.json", ...named.map(({ file }) => file)].sort());
    expect(await manifestVersion(json)).toBe(manifest.version);
    const labels = (text: string) => labelsSchema.parse(JSON.parse(text));
    expect(labels(read("labels.json").toString("utf8"))).toEqual(
      labels(readFileSync(path.join(folder, "../../training/labels.json"), "utf8")),
    );
  });

  test("is made from the file that its README names, in shards of at most 5 MB", () => {
    expect(manifest.source.sha256).toBe("3edcac7de7f2b5a585b18bc5a0ab482ef9dfe84da29b2b0377baf34ed6853106");
    expect(Math.max(...manifest.shards.map(({ bytes }) => bytes))).toBeLessThanOrEqual(5_000_000);
    expect(manifest).toMatchObject({ precision: "int8", classes: 200, feature_size: 512 });
  });

  test("tells synthetic pictures apart, the same way each time", async () => {
    const files = new Map(manifest.shards.map(({ file }) => [file, new Uint8Array(read(file))]));
    const classifier = await packClassifier(manifest, files);
    const images = syntheticImages(12, manifest.preprocessing);
    const answers: string[] = [];
    for (const index of [...Array(images.count).keys(), 0]) {
      const logits = await classifier.logits(await images.tensor(index));
      expect(logits).toHaveLength(200);
      expect(logits.every(Number.isFinite)).toBe(true);
      answers.push(logits.join());
    }
    await classifier.release();
    expect(new Set(answers).size).toBe(images.count);
    expect(answers.at(-1)).toBe(answers[0]);
  });
});
