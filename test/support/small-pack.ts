/**
 * A small pack that the tests serve where the weights do not matter. It loads and runs in milliseconds, has the embedded
 * pack's labels, and knows the example pictures: its last layer compares features with those of each picture.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { cacheFolder } from "../../bench/pictures/cache-folder.ts";
import { tinySpec, type ZooSpec, zooBytes, zooGraph } from "../../bench/stand-in/stand-in.ts";
import type { Graph } from "../../cli/onnx/graph.ts";
import { loadSession } from "../../cli/pack/evaluate.ts";
import { imagesFromFolder } from "../../cli/pack/images.ts";
import { classesOf, readLabels } from "../../cli/pack/labels.ts";
import { packModel } from "../../cli/pack/pack.ts";
import { type LocalPack, packsFolder, readLocalPack } from "../../cli/store/local-pack.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { defaultModelName } from "../../src/default-model.ts";

export const smallPackName = "small";
const pictures = path.join(projectFolder, "examples", "images");
const labelsFile = path.join(packsFolder, defaultModelName, "labels.json");
const classes = 200;
const spec: ZooSpec = { ...tinySpec, blocks: [1, 1, 1], channels: [16, 16, 32, 64], classes };
/** Smallest that gives several shards. */
const shardBytes = 30_000;

/** Logits by which the class of a picture is ahead of every other class. */
const margin = 10;

/** Makes the pack at the first use, in a few seconds. */
export async function smallPack(): Promise<LocalPack> {
  const sources = ["cli/onnx", "cli/pack", "src/model", "bench/stand-in", "examples/images", "test/support"];
  const folder = path.join(await cacheFolder("small-pack", sources), smallPackName);
  if (!existsSync(folder)) await makePack(folder);
  return readLocalPack(folder);
}

async function makePack(folder: string): Promise<void> {
  const draft = `${folder}-${process.pid}`;
  await mkdir(draft);
  const graph = await zooGraph(spec);
  const untrained = await writePack(graph, path.join(draft, "untrained"));
  await fitDense(graph, untrained);
  await writePack(graph, path.join(draft, "fitted"));
  // Another process may have made it meanwhile.
  await rename(path.join(draft, "fitted"), folder).catch(() => {});
  await rm(draft, { recursive: true });
}

async function writePack(graph: Graph, out: string): Promise<LocalPack> {
  const file = `${out}.onnx`;
  await writeFile(file, zooBytes(graph));
  const images = { calibrateDir: pictures, resizeSize: spec.size };
  await packModel({
    file,
    out,
    name: smallPackName,
    precision: "int8",
    labels: labelsFile,
    shardBytes,
    ...images,
  });
  return readLocalPack(out);
}

/**
 * Sets the dense layer so that the picture of a class has the highest logit: w = f - m and b = -(|f|^2 - |m|^2) / 2 rank
 * classes by the distance of an image's features to the picture's features f. Classes without a picture are at the mean m.
 */
async function fitDense(graph: Graph, { folder, manifest }: LocalPack): Promise<void> {
  const session = await loadSession(manifest, (file) => readFile(path.join(folder, file)));
  const images = await imagesFromFolder(pictures, manifest.preprocessing);
  const truth = classesOf(images, await readLabels(labelsFile, classes));
  const known = new Map<number, Float32Array>();
  for (const [i, index] of truth.entries()) {
    known.set(index, Float32Array.from((await session.run(await images.tensor(i))).features));
  }
  await session.release();
  const all = [...known.values()];
  const mean = all[0]!.map((_, at) => all.reduce((sum, features) => sum + features[at]!, 0) / all.length);
  const distances = all.map((features) => squares(features.map((value, at) => value - mean[at]!)));
  const scale = (2 * margin) / Math.min(...distances);
  const weight = graph.initializers.get(`${spec.prefix}_dense0_weight`)!.data as Float32Array;
  const bias = graph.initializers.get(`${spec.prefix}_dense0_bias`)!.data as Float32Array;
  for (let index = 0; index < classes; index++) {
    const centre = known.get(index) ?? mean;
    weight.set(
      centre.map((value, at) => scale * (value - mean[at]!)),
      index * mean.length,
    );
    // No two classes tie.
    bias[index] = (-scale * (squares(centre) - squares(mean))) / 2 - index * 1e-3;
  }
}

function squares(vector: Float32Array): number {
  return vector.reduce((sum, value) => sum + value * value, 0);
}
