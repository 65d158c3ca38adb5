/**
 * The network of all measurements: a stand-in for the zoo's ResNet34, whose weights cannot be shipped. It has the same
 * topology, names, shapes and file size, and random weights. Time and memory do not depend on the values of weights.
 */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Graph } from "../../cli/onnx/graph.ts";
import { readOnnx } from "../../cli/onnx/read.ts";
import { writeOnnx } from "../../cli/onnx/write.ts";
import { packModel } from "../../cli/pack/pack.ts";
import { readLocalPack } from "../../cli/store/local-pack.ts";
import { projectFolder } from "../../cli/store/platform-config.ts";
import { cacheFolder, madeOnce } from "../pictures/cache-folder.ts";
import { zooBytes, zooGraph, zooSpecs } from "./zoo-onnx.ts";

/** A change in one of these folders makes the files again. */
const sources = ["cli/onnx", "cli/pack", "bench/stand-in", "examples/images"];

/** Makes the files at the first use, in about ten seconds. @param size height and width of the input */
export async function standIn(size = 224) {
  const folder = await cacheFolder("models", sources);
  const zoo = await madeOnce(path.join(folder, "resnet34-224.onnx"), async (file) => {
    await writeFile(file, zooBytes(await zooGraph(zooSpecs.resnet34)));
  });
  const name = `resnet34-${size}`;
  // The same weights. Only the declared shape of the input differs.
  const fp32 = await madeOnce(path.join(folder, `${name}.onnx`), async (file) => {
    const graph = readOnnx(await readFile(zoo));
    const inputs = graph.inputs.map((input) => ({ ...input, dims: ["N", 3, size, size] }));
    await writeFile(file, zooBytes({ ...graph, inputs }));
  });
  const packFolder = path.join(folder, name);
  if (!existsSync(packFolder)) {
    // Few pictures are enough: the calibrated ranges do not change how long a forward pass takes.
    const calibrateDir = path.join(projectFolder, "examples", "images");
    await packModel({ file: fp32, out: packFolder, name, precision: "int8", calibrateDir, allowLarge: true });
  }
  const pack = await readLocalPack(packFolder);
  const int8 = await madeOnce(path.join(folder, `${name}-int8.onnx`), async (file) => {
    const shards = pack.manifest.shards.map((shard) => readFile(path.join(packFolder, shard.file)));
    await writeFile(file, writeOnnx(joinShards((await Promise.all(shards)).map((shard) => readOnnx(shard)))));
  });
  // The pack, int8 in shards; the int8 graph in one file, and the float32 model as the zoo has it.
  return { pack, files: { int8, fp32 } };
}

/** Joins a pack's shards, in their order, to the one graph from which they were cut. @throws Error for no shards */
export function joinShards(shards: readonly Graph[]): Graph {
  const [first, last] = [shards[0], shards.at(-1)];
  if (!first || !last) throw new Error("there are no shards to join");
  return {
    ...first,
    nodes: shards.flatMap(({ nodes }) => nodes),
    initializers: new Map(shards.flatMap(({ initializers }) => [...initializers])),
    outputs: last.outputs,
  };
}
