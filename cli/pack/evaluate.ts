/** Measures how far a pack agrees with its float32 source on images. */

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Engine, EngineName, ModelSession } from "../../src/model/engine.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { createRuntime, type Runtime } from "../../src/model/runtime.ts";
import { softmax } from "../../src/model/scores.ts";
import { onnxRuntimeEngine } from "../../src/model/sharded-session.ts";
import { SimdEngine } from "../../src/model/simd/simd-engine.ts";
import { writeOnnx } from "../onnx/file.ts";
import type { Graph } from "../onnx/graph.ts";
import { CommandError } from "../terminal/fail.ts";
import type { ImageSet } from "./images.ts";
import { nativeSession } from "./native.ts";
import { sourceInput } from "./normalisation.ts";
import type { ResNet } from "./resnet.ts";
import type { PackFiles } from "./write-pack.ts";

/** Shares are 0 to 1. Field names are those of the manifest's quantisation report. */
export interface Agreement {
  images: number;
  on: ImageSet["kind"];
  /** Share of images with the same first class. */
  top1: number;
  /** Share of images whose first class in float32 is among the pack's first five. */
  top5: number;
  /** Kullback-Leibler divergence of softmax(pack) from softmax(float32), in nats. */
  mean_kl: number;
  median_kl: number;
  max_kl: number;
  /** Of the raw logits. */
  mean_cosine: number;
  worst_cosine: number;
  /** The image with the worst cosine. */
  worst_image: string;
  /** With the classes of the images: of both sides, and how many images only one side classifies correctly. */
  accuracy?: { source_top1: number; pack_top1: number; lost: number; won: number };
  /** When it was requested. */
  changes?: Changes;
}

/** How many images get another first class when one thing changes about the float32 model on the Worker's pixels. */
export interface Changes {
  /** sharp (libjpeg-turbo for JPEGs) decodes the image at full size instead of the Worker's decoder. */
  by_libjpeg_pixels: number;
  /** The pack runs instead of the model. */
  by_pack: number;
}

/** What else to measure. */
export interface EvaluateOptions {
  /** Class index of each image, to measure accuracy. */
  classes?: readonly number[] | undefined;
  /** Counts Changes. The images must be photographs. */
  countChanges?: boolean | undefined;
  onImage?: ((done: number, total: number) => void) | undefined;
  /** Runs the pack. Default: ONNX Runtime Web. */
  engine?: Engine | undefined;
}

/** A comparison, with the raw logits of the pack for each image. */
export interface Evaluation {
  agreement: Agreement;
  packLogits: Float32Array[];
}

/**
 * Compares a pack with the model that it was made from.
 * @throws CommandError when the model cannot be loaded or the two do not match.
 */
export async function evaluatePack(
  source: Source,
  { manifest, files }: PackFiles,
  images: ImageSet,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const model = await sourceClassifier(source, manifest.preprocessing.crop);
  try {
    const pack = await packClassifier(manifest, files, options.engine);
    return await evaluate(model, pack, images, options).finally(() => pack.release());
  } finally {
    await model.release();
  }
}

/** Returns the raw logits of a pack for each image. */
export async function logitsOf(
  { manifest, files }: PackFiles,
  images: ImageSet,
  onImage?: (done: number, total: number) => void,
): Promise<Float32Array[]> {
  const pack = await packClassifier(manifest, files);
  try {
    const logits: Float32Array[] = [];
    for (let index = 0; index < images.count; index++) {
      logits.push(await pack.logits(await images.tensor(index)));
      onImage?.(index + 1, images.count);
    }
    return logits;
  } finally {
    await pack.release();
  }
}

/**
 * Compares two classifiers.
 * @throws CommandError when they differ in the number of classes.
 */
export async function evaluate(
  source: Classifier,
  pack: Classifier,
  images: ImageSet,
  { classes, countChanges, onImage }: EvaluateOptions = {},
): Promise<Evaluation> {
  const packLogits: Float32Array[] = [];
  const results: (ReturnType<typeof compareLogits> & { name: string; truth: number | undefined })[] = [];
  let changedByPixels = 0;
  for (let index = 0; index < images.count; index++) {
    const tensor = await images.tensor(index);
    const name = images.name(index);
    const [expected, actual] = [await source.logits(tensor), await pack.logits(tensor)];
    if (expected.length !== actual.length) {
      throw new CommandError(
        `The source has ${expected.length} classes and the pack ${actual.length}; expected the model that the pack was made from.`,
      );
    }
    packLogits.push(Float32Array.from(actual));
    results.push({ ...compareLogits(expected, actual), name, truth: classes?.[index] });
    if (countChanges && images.sharpTensor) {
      const other = await source.logits(await images.sharpTensor(index));
      if (largest(other) !== largest(expected)) changedByPixels++;
    }
    onImage?.(index + 1, images.count);
  }
  const worst = results.reduce((a, b) => (b.cosine < a.cosine ? b : a));
  const kls = results.map((result) => result.kl).sort((a, b) => a - b);
  const count = (test: (result: (typeof results)[number]) => boolean) => results.filter(test).length;
  const agreement: Agreement = {
    images: results.length,
    on: images.kind,
    top1: count((r) => r.sourceClass === r.packClass) / results.length,
    top5: count((r) => r.amongFive) / results.length,
    mean_kl: mean(kls),
    median_kl: kls[kls.length >> 1]!,
    max_kl: kls.at(-1)!,
    mean_cosine: mean(results.map((r) => r.cosine)),
    worst_cosine: worst.cosine,
    worst_image: worst.name,
  };
  if (countChanges) {
    const changedByPack = count((r) => r.sourceClass !== r.packClass);
    agreement.changes = { by_libjpeg_pixels: changedByPixels, by_pack: changedByPack };
  }
  if (classes) {
    agreement.accuracy = {
      source_top1: count((r) => r.sourceClass === r.truth) / results.length,
      pack_top1: count((r) => r.packClass === r.truth) / results.length,
      lost: count((r) => r.sourceClass === r.truth && r.packClass !== r.truth),
      won: count((r) => r.sourceClass !== r.truth && r.packClass === r.truth),
    };
  }
  return { agreement, packLogits };
}

/**
 * Checks the share of images with the same first class.
 * @param least 0 to 1.
 * @param fix What to do about a smaller share.
 * @throws CommandError when the share is smaller.
 */
export function requireAgreement({ top1, images }: Agreement, least: number, fix: string): void {
  if (top1 >= least) return;
  const percent = (share: number) => `${Number((100 * share).toFixed(2))}%`;
  throw new CommandError(
    `The pack and its source have the same first class on ${percent(top1)} of ${images} images; expected at least ${percent(least)} (--min-agreement). ${fix}`,
  );
}

/**
 * Compares the raw logits [classes] of one image.
 * @returns The first class of each side, whether the source's is among the pack's first five, divergence and cosine.
 */
export function compareLogits(source: Float32Array, pack: Float32Array) {
  const [sourceClass, packClass] = [largest(source), largest(pack)];
  const [p, q] = [softmax(source), softmax(pack)];
  let [kl, dot, sourceSquares, packSquares] = [0, 0, 0, 0];
  for (let i = 0; i < source.length; i++) {
    // A probability of 0 contributes nothing. One that underflows in the pack counts as the smallest number.
    if (p[i]! > 0) kl += p[i]! * (Math.log(p[i]!) - Math.log(Math.max(q[i]!, Number.MIN_VALUE)));
    dot += source[i]! * pack[i]!;
    sourceSquares += source[i]! ** 2;
    packSquares += pack[i]! ** 2;
  }
  const better = pack.filter((value) => value > pack[sourceClass]!).length;
  const cosine = dot / Math.sqrt(sourceSquares * packSquares);
  return { sourceClass, packClass, amongFive: better < 5, kl: Math.max(0, kl), cosine };
}

/** Index of the largest value. */
function largest(values: Float32Array): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Computes raw logits from a float32 tensor [3, size, size], normalised as for a pack. */
export interface Classifier {
  logits(tensor: Float32Array): Promise<Float32Array>;
  release(): Promise<void>;
}

/** A source model: its graph, every node as in the file, and the network that was read from it. */
export interface Source {
  graph: Graph;
  net: ResNet;
}

/**
 * The float32 model with its own nodes, up to the raw logits.
 * @throws CommandError when ONNX Runtime does not load it.
 */
export async function sourceClassifier({ graph, net }: Source, size: number): Promise<Classifier> {
  const outputs = [{ name: net.logits, type: "float32" as const, dims: ["N", "classes"] }];
  const session = await nativeSession(writeOnnx({ ...graph, outputs }, { irVersion: 8 })).catch(
    (cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `ONNX Runtime cannot load the model: ${reason}; check the file or export it again`;
      throw new CommandError(message, { cause });
    },
  );
  return {
    async logits(tensor) {
      const input = sourceInput(tensor, net.input);
      const { data } = (await session.run(input, [1, 3, size, size])).get(net.logits)!;
      // As in the network: softmax over [0, x] is the sigmoid of a single logit.
      return data.length === 1 ? Float32Array.of(0, data[0]!) : data;
    },
    release: () => session.release(),
  };
}

/**
 * A pack.
 * @param files Each shard's bytes by file name.
 * @param engine default: ONNX Runtime Web
 */
export async function packClassifier(
  manifest: Manifest,
  files: ReadonlyMap<string, Uint8Array>,
  engine?: Engine,
): Promise<Classifier> {
  const read = (file: string) => {
    const bytes = files.get(file);
    if (bytes === undefined)
      throw new CommandError(`the pack has no file ${file}; expected every shard of its manifest`);
    return Promise.resolve(bytes);
  };
  const session = await loadSession(manifest, read, engine);
  return {
    logits: async (tensor) => (await session.run(tensor)).logits,
    release: () => session.release(),
  };
}

/**
 * Loads a pack as the Worker does.
 * @param read returns a file of the pack
 * @param engine default: ONNX Runtime Web
 */
export async function loadSession(
  manifest: Manifest,
  read: (file: string) => Promise<Uint8Array>,
  engine?: Engine,
): Promise<ModelSession> {
  return (engine ?? (await nodeEngine("onnxruntime"))).load(manifest, {
    // Copied, because the session may free the buffer.
    readShard: async ({ file }) => Uint8Array.from(await read(file)),
  });
}

/** One of the Worker's engines, in Node. A new SIMD engine has a memory of its own. */
export async function nodeEngine(name: EngineName): Promise<Engine> {
  if (name === "onnxruntime") return onnxRuntimeEngine(await nodeRuntime());
  const kernels = await readFile(new URL("../../src/model/simd/kernels.wasm", import.meta.url));
  return new SimdEngine(await WebAssembly.compile(kernels));
}

/** Compiled once per process. The Worker imports it statically. */
let ortModule: Promise<WebAssembly.Module> | undefined;

/** The Worker's ONNX Runtime Web, in Node. */
export async function nodeRuntime(): Promise<Runtime> {
  const file = fileURLToPath(import.meta.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"));
  ortModule ??= readFile(file).then((bytes) => WebAssembly.compile(bytes as BufferSource));
  return createRuntime(await ortModule);
}
