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
import { type LocalPack, readLocalPack } from "../../cli/store/local-pack.ts";
import { projectFolder } from "../../cli/store/platform-config.ts";
import { cacheFolder, madeOnce } from "../pictures/cache-folder.ts";
import { joinShards } from "./join-shards.ts";
import { zooBytes, zooGraph, zooSpecs } from "./zoo-onnx.ts";

/** The files of the network for one input size. */
export interface StandIn {
  /** The pack, int8 in shards. */
  readonly pack: LocalPack;
  /** The same int8 graph in one file. */
  readonly int8File: string;
  /** The float32 model, as the zoo has it. */
  readonly fp32File: string;
}

/** A change in one of these folders makes the files again. */
const sources = ["cli/onnx", "cli/pack", "bench/stand-in", "examples/images"];

/** Makes the files at the first use, in about ten seconds. @param size height and width of the input */
export async function standIn(size = 224): Promise<StandIn> {
  const folder = await cacheFolder("models", sources);
  const fp32File = await madeOnce(path.join(folder, "resnet34-224.onnx"), async (file) => {
    await writeFile(file, zooBytes(await zooGraph(zooSpecs.resnet34)));
  });
  const sized = size === 224 ? fp32File : await resizedInput(folder, fp32File, size);
  const name = `resnet34-${size}`;
  const packFolder = path.join(folder, name);
  if (!existsSync(packFolder)) await makePack(sized, packFolder, name);
  const pack = await readLocalPack(packFolder);
  const int8File = await madeOnce(path.join(folder, `${name}-int8.onnx`), async (file) => {
    const shards: Graph[] = [];
    for (const shard of pack.manifest.shards)
      shards.push(readOnnx(await readFile(path.join(packFolder, shard.file))));
    await writeFile(file, writeOnnx(joinShards(shards)));
  });
  return { pack, int8File, fp32File: sized };
}

/** The same weights with another input size. Only the declared shape of the input differs. */
async function resizedInput(folder: string, fp32File: string, size: number): Promise<string> {
  return madeOnce(path.join(folder, `resnet34-${size}.onnx`), async (file) => {
    const graph = readOnnx(await readFile(fp32File));
    const inputs = graph.inputs.map((input) => ({ ...input, dims: ["N", 3, size, size] }));
    await writeFile(file, zooBytes({ ...graph, inputs }));
  });
}

/** Calibrates with few pictures: the ranges do not change how long a forward pass takes. */
async function makePack(file: string, out: string, name: string): Promise<void> {
  const pictures = path.join(projectFolder, "examples", "images");
  await packModel({ file, out, name, precision: "int8", calibrateDir: pictures, allowLarge: true });
}
