import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from "node:fs/promises";
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
} from "../../../bench/stand-in/zoo-onnx.ts";
import { predictHeapBytes, requireFit } from "../../../cli/pack/heap.ts";
import { type PackOptions, packModel } from "../../../cli/pack/pack.ts";
import { readResNet } from "../../../cli/pack/read-resnet.ts";
import { architecture, type ConvLayer, type ResNet } from "../../../cli/pack/resnet.ts";
import { syntheticPixels } from "../../../cli/pack/synthetic.ts";
import { manifestSchema } from "../../../src/model/manifest.ts";
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
  }
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
    expect(Array.from(stages)).toEqual(["read", "calibrate", "compare", "write"]);
  });

  test("with photographs calibrates on them; the same photographs give the same version", async () => {
    const options = {
      ...base,
      calibrateDir: path.join(folder, "photos"),
      licence: "MIT",
      url: "https://example.org/m",
    };
    const { manifest, agreement } = await packModel(options);
    expect(manifest.quantisation).toMatchObject({ calibration: { kind: "photographs", images: 6 } });
    expect(manifest.source).toMatchObject({ licence: "MIT", url: "https://example.org/m" });
    expect(agreement).toMatchObject({ images: 6, on: "photographs" });
    expect(agreement.mean_kl).toBeLessThan(0.01);
    expect(agreement.mean_kl).toBeGreaterThan(0);
    expect((await packModel(options)).manifest.version).toBe(manifest.version);
    const fewer = await packModel({ ...options, calibrationImages: 2 });
    expect(fewer.manifest.quantisation).toMatchObject({ calibration: { images: 2 } });
    expect(fewer.manifest.version).not.toBe(manifest.version);
  });

  test("measures accuracy on photographs whose names tell the class", async () => {
    const { agreement } = await packModel({ ...base, evaluateDir: path.join(folder, "photos") });
    expect(agreement.images).toBe(6);
    expect(agreement.accuracy).toMatchObject({ lost: expect.any(Number), won: expect.any(Number) });
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
    ["a folder without photographs", { calibrateDir: "/etc" }, /\/etc has no \.jpg or \.jpeg file/],
    [
      "a folder that is not there",
      { calibrateDir: "/nowhere" },
      /\/nowhere cannot be read; expected a folder of JPEG/,
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

  test("names the photograph that it cannot decode", async () => {
    const bad = path.join(folder, "bad");
    await mkdir(bad, { recursive: true });
    await writeFile(path.join(bad, "broken.jpg"), "not a JPEG");
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
    return { ...layer, dims, weight: new Float32Array(dims[0] * dims[1] * height * width) };
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

describe("the WASM heap", () => {
  // Measured with onnxruntime-web 1.30 in Node, graph optimisation and arena off, in MiB: docs/model-packs.md.
  test.each([
    ["resnet18", "int8", 224, 40.0],
    ["resnet18", "int8", 320, 48.0],
    ["resnet18", "fp32", 224, 69.2],
    ["resnet34", "int8", 64, 48.0],
    ["resnet34", "int8", 224, 48.0],
    ["resnet34", "int8", 320, 57.6],
    ["resnet34", "fp32", 224, 121.0],
    ["resnet50", "int8", 224, 69.2],
    ["resnet101", "int8", 224, 99.7],
    ["resnet152", "int8", 224, 119.6],
  ] as const)(
    "of %s in %s at %d pixels is predicted within a step of growth",
    (name, precision, size, measuredMiB) => {
      const predicted = predictHeapBytes(published(name), precision, size, 5_000_000) / 2 ** 20;
      expect(Math.abs(Math.log(predicted / measuredMiB))).toBeLessThan(Math.log(1.21));
    },
  );

  test.each([
    ["resnet152", "int8", /A int8 pack|needs about \d+ MiB of WASM heap.*room for 56.*--allow-large/],
    ["resnet18", "fp32", /fp32 pack of this resnet18 needs about \d+ MiB.*--precision int8/],
  ] as const)(
    "of %s in %s is too much, and the refusal says what such a pack is for",
    (name, precision, message) => {
      const net = published(name);
      const heap = predictHeapBytes(net, precision, 224, 5_000_000);
      expect(() => requireFit(architecture(net), precision, heap)).toThrow(message);
      expect(() => requireFit(architecture(net), precision, heap)).toThrow(
        /compare with locally, or for a host without/,
      );
    },
  );

  test("of ResNet18 and ResNet34 in int8 fits", () => {
    for (const name of ["resnet18", "resnet34"] as const) {
      const heap = predictHeapBytes(published(name), "int8", 224, 5_000_000);
      expect(() => requireFit(name, "int8", heap)).not.toThrow();
    }
  });
});
