import { cp, mkdir, mkdtemp, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import {
  tinyBottleneckSpec,
  tinySpec,
  zooBytes,
  zooGraph,
  zooGraphUnmeasured,
  zooSpecs,
} from "../../../bench/stand-in/stand-in.ts";
import { floatGraph } from "../../../cli/pack/emit.ts";
import { enginesFor, measureHeap } from "../../../cli/pack/heap.ts";
import { readLabels } from "../../../cli/pack/labels.ts";
import { unmeasuredScores } from "../../../cli/pack/measure-scores.ts";
import { defaultShardBytes, type PackOptions, packModel } from "../../../cli/pack/pack.ts";
import { inputKey, quantisedGraph, rangeAfterRelu, rangeKeys } from "../../../cli/pack/quantised-graph.ts";
import { readPack } from "../../../cli/pack/read-pack.ts";
import { readResNet } from "../../../cli/pack/read-resnet.ts";
import type { ConvLayer, ResNet } from "../../../cli/pack/resnet.ts";
import { chooseShards, layerBytesLimit, writeShard } from "../../../cli/pack/shard.ts";
import { syntheticPixels } from "../../../cli/pack/synthetic.ts";
import { verifyPack } from "../../../cli/pack/verify.ts";
import { assemblePack, type PackFacts, type PackFiles } from "../../../cli/pack/write-pack.ts";
import { manifestFormat, manifestSchema } from "../../../src/model/manifest.ts";
import { preprocessingOf } from "../../support/preprocessing.ts";
import { torchvisionBytes, torchvisionGraph } from "../../support/torchvision-onnx.ts";

let folder: string;
/** The options that every case shares; it writes to a folder of its own. */
let base: PackOptions;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pack-"));
  await writeFile(path.join(folder, "tiny.onnx"), zooBytes(await zooGraph(tinySpec)));
  await writeFile(path.join(folder, "bottleneck.onnx"), zooBytes(await zooGraph(tinyBottleneckSpec)));
  const torchvision = await torchvisionGraph({ ...tinySpec, classes: 7 });
  await writeFile(path.join(folder, "torchvision.onnx"), torchvisionBytes(torchvision));
  await mkdir(path.join(folder, "photos"));
  for (let i = 0; i < 6; i++) {
    const jpeg = await sharp(syntheticPixels(80, 1000 + i), {
      raw: { width: 80, height: 80, channels: 3 },
    }).jpeg();
    await jpeg.toFile(path.join(folder, "photos", `class-${i}-photo.jpg`));
    await mkdir(path.join(folder, "by-class", `class ${i}`), { recursive: true });
    await jpeg.toFile(path.join(folder, "by-class", `class ${i}`, "IMG_0001.jpg"));
  }
  await mkdir(path.join(folder, "unlabelled"));
  await cp(path.join(folder, "photos", "class-0-photo.jpg"), path.join(folder, "unlabelled", "IMG_0001.jpg"));
  base = {
    file: path.join(folder, "tiny.onnx"),
    out: path.join(folder, "packs", "tiny"),
    name: "tiny",
    precision: "int8",
  };
});

describe("packing", () => {
  test.each([
    ["the zoo's form", "tiny.onnx", 10],
    ["bottlenecks", "bottleneck.onnx", 10],
    ["torchvision's form with 7 classes", "torchvision.onnx", 7],
  ])("%s without photographs gives a valid pack that agrees with its source", async (_, file, classes) => {
    const stages = new Set<string>();
    const options = {
      ...base,
      file: path.join(folder, file),
      out: path.join(folder, "packs", file),
      shardBytes: 20_000,
    };
    const report = await packModel(options, (stage) => stages.add(stage));
    const manifest = manifestSchema.parse(
      JSON.parse(await readFile(path.join(options.out, "manifest.json"), "utf8")),
    );
    expect(manifest).toEqual(report.manifest);
    expect(manifest).toMatchObject({
      name: "tiny",
      classes,
      input: { shape: [1, 3, 32, 32] },
      preprocessing: { resize: "shortest-edge", size: 37, crop: 32 },
      precision: "int8",
      source: { file, bytes: (await stat(options.file)).size, licence: "unknown" },
      quantisation: {
        calibration: { kind: "synthetic", images: 128 },
        agreement: { images: 128, on: "synthetic" },
      },
    });
    expect(report.agreement.top1).toBeGreaterThan(0.9);
    expect(report.agreement.worst_cosine).toBeGreaterThan(0.99);
    expect(Array.from(stages)).toEqual(["read", "measure", "calibrate", "compare", "write"]);
  });

  test("with photographs calibrates on them; the same photographs give the same version", async () => {
    const options = {
      ...base,
      calibrateDir: path.join(folder, "photos"),
      licence: "MIT",
      url: "https://example.org/m",
    };
    const { manifest, agreement, warnings } = await packModel(options);
    expect(manifest.quantisation).toMatchObject({
      calibration: { kind: "photographs", images: 5, synthetic: 128 },
      agreement: { held_out: true },
    });
    expect(warnings).toEqual([
      expect.stringMatching(/^10 of 10 classes have no name, so answers call them "class 0"/),
      expect.stringMatching(/^5 photographs are few to calibrate on, so 128 synthetic .* at least 125 photo/),
      expect.stringMatching(/^the scores are not calibrated.*; give --evaluate at least 100 photographs/),
    ]);
    expect(manifest.scores).toEqual(unmeasuredScores);
    expect(manifest.source).toMatchObject({ licence: "MIT", url: "https://example.org/m" });
    expect(agreement).toMatchObject({ images: 1, on: "photographs", worst_image: "class-4-photo.jpg" });
    expect(agreement.mean_kl).toBeLessThan(0.01);
    expect(agreement.mean_kl).toBeGreaterThan(0);
    expect((await packModel(options)).manifest.version).toBe(manifest.version);
    const fewer = await packModel({ ...options, calibrationImages: 2 });
    expect(fewer.manifest.quantisation).toMatchObject({ calibration: { images: 2 } });
    expect(fewer.manifest.version).not.toBe(manifest.version);
  });

  test("with a hundred labelled photographs measures what the scores are worth", async () => {
    const evaluateDir = path.join(folder, "hundred");
    await mkdir(evaluateDir);
    for (let i = 0; i < 100; i++) {
      const raw = { width: 64, height: 64, channels: 3 } as const;
      const file = path.join(evaluateDir, `class-${i % 6}-${i}.jpg`);
      await sharp(syntheticPixels(64, 2000 + i), { raw })
        .jpeg()
        .toFile(file);
    }
    const options = { ...base, evaluateDir, foreignDir: path.join(folder, "photos") };
    const { manifest, warnings } = await packModel(options);
    expect(warnings).toEqual([expect.stringMatching(/^10 of 10 classes have no name/)]);
    expect(manifest.scores!.temperature).toBeGreaterThan(0);
    expect(manifest.scores!.evaluation).toEqual({
      photographs: 100,
      foreign_photographs: 6,
      calibration_error_before: expect.any(Number),
      calibration_error: expect.any(Number),
      calibration_error_by_chance: expect.any(Number),
    });
    // An untrained network is right by chance, so no answer can be confident.
    expect(manifest.scores).toMatchObject({ confident: null, unknown: null });
  });

  test.each(["photos", "by-class"])("measures accuracy on labelled photographs: %s", async (photographs) => {
    const { agreement } = await packModel({ ...base, evaluateDir: path.join(folder, photographs) });
    expect(agreement.images).toBe(6);
    expect(agreement.accuracy).toMatchObject({ lost: expect.any(Number), won: expect.any(Number) });
  });

  test("refuses photographs without a class before it calibrates", async () => {
    const stages = new Set<string>();
    const options = { ...base, evaluateDir: path.join(folder, "unlabelled") };
    await expect(packModel(options, (stage) => stages.add(stage))).rejects.toThrow(
      /The photograph IMG_0001\.jpg has no class; expected it in a folder named like a label/,
    );
    expect(Array.from(stages)).toEqual(["read"]);
  });

  test("of a model in BGR with its own normalisation says so in the manifest, and agrees with it", async () => {
    const out = path.join(folder, "packs", "bgr");
    const normalisation = { channels: "bgr", mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6] } as const;
    const { manifest, agreement } = await packModel({ ...base, ...normalisation, out });
    expect(manifest.preprocessing).toMatchObject({
      color: "RGB",
      mean: [0.3, 0.2, 0.1],
      std: [0.6, 0.5, 0.4],
    });
    expect(manifest.source.channels).toBe("BGR");
    expect(agreement.worst_cosine).toBeGreaterThan(0.99);
    const photographs = path.join(folder, "photos");
    const verified = await verifyPack({ folder: out, against: base.file, images: photographs });
    expect(verified.agreement.worst_cosine).toBeGreaterThan(0.99);
  });

  test("in fp32 agrees to rounding", async () => {
    const out = path.join(folder, "packs", "fp32");
    const { manifest, agreement } = await packModel({ ...base, out, precision: "fp32", shardBytes: 20_000 });
    expect(manifest.precision).toBe("fp32");
    expect(manifest.shards.length).toBeGreaterThan(1);
    expect(agreement).toMatchObject({ top1: 1, top5: 1 });
    expect(agreement.worst_cosine).toBeGreaterThan(0.999999);
  });

  test.each<[string, Partial<PackOptions>, RegExp]>([
    [
      "no file",
      { file: "/nowhere/model.onnx" },
      /\/nowhere\/model\.onnx cannot be read; expected an \.onnx file/,
    ],
    [
      "a folder without photographs",
      { calibrateDir: "/etc" },
      /\/etc has no \.jpg, \.jpeg, \.png, \.webp or \.gif file/,
    ],
    [
      "a folder that is not there",
      { calibrateDir: "/nowhere" },
      /\/nowhere cannot be read; expected a folder of image files/,
    ],
    [
      "shards of more than 8 MiB",
      { shardBytes: 9_000_000 },
      /limit of a shard is 9000000 bytes; expected 1 to 8388608/,
    ],
    ["shards of NaN bytes", { shardBytes: Number.NaN }, /limit of a shard is NaN bytes/],
    ["another input size than the model's", { inputSize: 64 }, /The model takes 32 pixels, not 64/],
    [
      "a resized side smaller than the crop",
      { resizeSize: 16 },
      /The resized side has 16 pixels; expected at least the crop's 32/,
    ],
    ["a name that is none", { name: "Not A Name" }, /name: expected a-z/],
  ])("is refused, and writes nothing: %s", async (_, change, message) => {
    const out = path.join(folder, "refused", "pack");
    const attempt = packModel({ ...base, out, ...change });
    await expect(attempt).rejects.toThrow(message);
    await expect(attempt).rejects.toMatchObject({ name: "CommandError" });
    await expect(readdir(path.dirname(out))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("a pack that agrees with its source on too few images is not written, and the error names causes", async () => {
    const out = path.join(folder, "refused", "disagrees");
    // At most 1 can be reached, so that any pack disagrees too much.
    const attempt = packModel({ ...base, out, minAgreement: 1.01 });
    await expect(attempt).rejects.toThrow(
      /same first class on [\d.]+% of 128 images; expected at least 101%.*Possible causes: the --calibrate/,
    );
    await expect(attempt).rejects.toMatchObject({ name: "CommandError" });
    await expect(readdir(out)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("names the photograph that it cannot decode", async () => {
    const bad = path.join(folder, "bad");
    await mkdir(bad, { recursive: true });
    await writeFile(path.join(bad, "broken.jpg"), "not an image");
    await expect(packModel({ ...base, calibrateDir: bad })).rejects.toThrow(/bad\/broken\.jpg: .*expected/);
  });
});

/** The published network with weights that take no time to make. */
function published(name: keyof typeof zooSpecs): ResNet {
  const spec = zooSpecs[name];
  const net = readResNet(
    zooGraphUnmeasured({ ...spec, channels: spec.channels.map((c) => c / 16), classes: 10 }),
  );
  const full = (layer: ConvLayer): ConvLayer => {
    const [outputs, inputs, height, width] = layer.dims;
    const dims = [outputs * 16, inputs === 3 ? 3 : inputs * 16, height, width] as const;
    const weight = new Float32Array(dims[0] * dims[1] * height * width);
    return { ...layer, dims, weight, bias: new Float32Array(dims[0]) };
  };
  const features = net.dense.features * 16;
  return {
    ...net,
    stem: full(net.stem),
    blocks: net.blocks.map((block) => ({
      ...block,
      convs: block.convs.map(full),
      downsample: block.downsample && full(block.downsample),
    })),
    dense: {
      classes: 1000,
      features,
      weight: new Float32Array(1000 * features),
      bias: new Float32Array(1000),
    },
  };
}

/** A pack of the network whose ranges and weights do not matter. */
async function packOf(net: ResNet, precision: "int8" | "fp32", size: number): Promise<PackFiles> {
  const ranges = new Map([inputKey, ...rangeKeys(net)].map((key) => [key, rangeAfterRelu(6)]));
  const options = { size, maxLayerBytes: layerBytesLimit(defaultShardBytes) };
  const graph = precision === "int8" ? quantisedGraph(net, ranges, options) : floatGraph(net, options);
  const shards = chooseShards(graph, defaultShardBytes).map(([from, to]) => writeShard(graph, from, to));
  const facts: PackFacts = {
    format: manifestFormat,
    name: "published",
    source: { file: "published.onnx", bytes: 1, sha256: "0".repeat(64), licence: "none" },
    input: { name: net.input.name, shape: [1, 3, size, size] },
    preprocessing: preprocessingOf(size),
    classes: net.dense.classes,
    outputs: { logits: "logits", features: "features" },
    feature_size: net.dense.features,
    precision,
    quantisation: null,
    scores: unmeasuredScores,
  };
  return assemblePack(facts, await readLabels(null, net.dense.classes), shards);
}

describe("the WASM heap", () => {
  test.each([
    ["resnet34", 224, 30, 46],
    ["resnet34", 320, 40, 56],
    ["resnet50", 224, 40, 61],
  ] as const)(
    "of %s in int8 at %d pixels is at most %d MiB with simd and %d with onnxruntime",
    async (name, size, simd, onnxruntime) => {
      const heap = await measureHeap(await packOf(published(name), "int8", size));
      expect(heap.simd).toBeLessThanOrEqual(simd * 2 ** 20);
      expect(heap.simd).toBeGreaterThan(22 * 2 ** 20);
      expect(heap.onnxruntime).toBeLessThanOrEqual(onnxruntime * 2 ** 20);
      expect(heap.onnxruntime).toBeGreaterThan(30 * 2 ** 20);
      expect(enginesFor(heap)).toContain("simd");
    },
  );

  test("of resnet18 in fp32 does not fit, and simd does not run it", async () => {
    const heap = await measureHeap(await packOf(published("resnet18"), "fp32", 224));
    expect(heap.simd).toBeNull();
    expect(enginesFor(heap)).toEqual([]);
  });

  test("is reported as the finished pack takes it, though it is measured before the calibration", async () => {
    const out = path.join(folder, "packs", "measured");
    const { heap } = await packModel({ ...base, out });
    expect(heap).toEqual(await measureHeap(await readPack(out)));
  });

  test("cannot be measured of a pack that does not load, and the error says why", async () => {
    const { manifest, files } = await readPack(path.join(folder, "packs", "measured"));
    const damaged = new Map(files).set(manifest.shards[0]!.file, Uint8Array.of(1, 2, 3));
    await expect(measureHeap({ manifest, files: damaged })).rejects.toThrow(
      /The pack does not load in ONNX Runtime Web: .*Failed to load model/,
    );
  });

  test("of a network that is too large is refused before the calibration, with what a larger pack is for", async () => {
    const file = path.join(folder, "large.onnx");
    const large = { ...zooSpecs.resnet18, classes: 10, size: 32, blocks: [2, 2, 2, 4] };
    await writeFile(file, zooBytes(zooGraphUnmeasured(large)));
    const stages = new Set<string>();
    const attempt = packModel({ ...base, file, precision: "fp32", force: true }, (stage) =>
      stages.add(stage),
    );
    await expect(attempt).rejects.toThrow(
      /A pack of this resnet22 in fp32 does not fit a Worker of 128 MB \(WASM memory: simd: does not run it; onnxruntime: \d+\.\d MiB of 56\.0 MiB\)\. Pack it with --precision int8, or add --allow-large to compare it locally/,
    );
    expect(Array.from(stages)).toEqual(["read", "measure"]);
  });
});
