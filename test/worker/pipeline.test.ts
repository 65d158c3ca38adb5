/**
 * The complete path of the ImageNet model: fetched from a local server, packed, verified, pushed and served. A stand-in
 * replaces the zoo's file, with the same topology and random weights, an eighth of its channels and 64 pixels.
 */
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  tinyBottleneckSpec,
  tinySpec,
  zooBytes,
  zooGraph,
  zooGraphUnmeasured,
  zooSpecs,
} from "../../bench/stand-in/stand-in.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { MeasuredWorker } from "../support/measured-worker.ts";
import { runProgram } from "../support/run-program.ts";
import { torchvisionBytes, torchvisionGraph } from "../support/torchvision-onnx.ts";

const name = "resnet34-v1-7";
let folder: string;
let server: Server;
let mirror: string;
let model: Uint8Array;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-"));
  const { resnet34 } = zooSpecs;
  const small = { ...resnet34, channels: resnet34.channels.map((count) => count / 8), size: 64 };
  model = zooBytes(zooGraphUnmeasured(small));
  server = createServer((_, response) => response.end(model));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  mirror = `http://127.0.0.1:${(server.address() as { port: number }).port}/${name}.onnx`;
}, 120_000);

afterAll(async () => {
  server?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command of `npm run model` with --json and returns its parsed output. */
async function command(...args: string[]): Promise<Record<string, unknown>> {
  const cache = { XDG_CACHE_HOME: path.join(folder, "cache") };
  const { code, stdout, stderr } = await runProgram("model", [...args, "--json"], cache);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe.sequential("the stand-in of resnet34-v1-7", () => {
  const out = () => path.join(folder, name);

  test("is fetched, and checked by size and hash", async () => {
    const sha256 = createHash("sha256").update(model).digest("hex");
    const report = await command(
      "fetch",
      name,
      "--url",
      mirror,
      "--sha256",
      sha256,
      "--bytes",
      String(model.length),
    );
    expect(report).toMatchObject({ name, sha256, cached: false });
    expect((await readFile(report.file as string)).equals(model)).toBe(true);
  });

  test("is packed by its name: ImageNet's labels, licence and address in the manifest", async () => {
    // Random weights: pack and source need not agree.
    const report = await command("pack", name, "--out", out(), "--min-agreement", "0");
    expect(report).toMatchObject({ name, architecture: "resnet34" });
    const manifest = JSON.parse(await readFile(path.join(out(), "manifest.json"), "utf8"));
    expect(manifest).toMatchObject({
      classes: 1000,
      source: { licence: "Apache-2.0", url: expect.stringContaining("huggingface.co") },
      preprocessing: { resize: "shortest-edge", size: 73, crop: 64 },
    });
    const labels = JSON.parse(await readFile(path.join(out(), "labels.json"), "utf8"));
    expect(labels[0]).toEqual({ id: "n01440764", label: "tench, Tinca tinca" });
  });

  test("agrees with its source on pictures", async () => {
    const images = path.join(folder, "images");
    await mkdir(images);
    for (const image of ["teapot", "ladybug", "jellyfish"]) {
      await cp(
        path.join(projectFolder, "examples", "images", `${image}.jpg`),
        path.join(images, `${image}.jpg`),
      );
    }
    const source = path.join(folder, "cache", "edge-resnet", `${name}.onnx`);
    const report = await command(
      "verify",
      out(),
      "--against",
      source,
      "--images",
      images,
      "--min-agreement",
      "0",
    );
    expect(report).toMatchObject({ images: 3, same_source: true });
    expect(report.mean_cosine).toBeGreaterThan(0.98);
  });

  test("serves, with ImageNet's ids", async () => {
    const worker = await MeasuredWorker.start(out());
    try {
      const file = path.join(projectFolder, "examples", "images", "teapot.jpg");
      const response = await worker.classify(new Uint8Array(await readFile(file)), "?top_k=1000");
      const { predictions } = (await response.json()) as { predictions: { id: string }[] };
      expect(response.status).toBe(200);
      expect(predictions).toHaveLength(1000);
      expect(predictions[0]?.id).toMatch(/^n\d{8}$/);
    } finally {
      await worker.close();
    }
  });
});

/** Small networks of each form that ResNets have: few channels and 32 pixels. */
const forms = [
  { form: "with bottlenecks, as the zoo's ResNet50", classes: 10, bytes: () => bottleneck() },
  { form: "as torchvision exports it, with 7 classes", classes: 7, bytes: () => torchvision() },
];

const bottleneck = async () => zooBytes(await zooGraph(tinyBottleneckSpec));
const torchvision = async () => torchvisionBytes(await torchvisionGraph({ ...tinySpec, classes: 7 }));

describe.each(forms)("a small model $form", ({ classes, bytes }) => {
  test("is packed, verified, and serves", async () => {
    const out = path.join(folder, `small-${classes}`);
    const source = `${out}.onnx`;
    await writeFile(source, await bytes());
    const images = path.join(projectFolder, "examples", "images");
    const options = ["--name", `small-${classes}`, "--calibrate", images, "--min-agreement", "0"];
    await command("pack", source, "--out", out, ...options);
    const report = await command(
      "verify",
      out,
      "--against",
      source,
      "--images",
      images,
      "--min-agreement",
      "0",
    );
    expect(report).toMatchObject({ images: 4, same_source: true });
    expect(report.mean_cosine).toBeGreaterThan(0.98);
    const worker = await MeasuredWorker.start(out);
    try {
      const teapot = new Uint8Array(await readFile(path.join(images, "teapot.jpg")));
      const response = await worker.classify(teapot, `?top_k=${classes}`);
      const { predictions } = (await response.json()) as { predictions: { score: number }[] };
      expect(predictions).toHaveLength(classes);
      expect(predictions.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 6);
    } finally {
      await worker.close();
    }
  });
});
