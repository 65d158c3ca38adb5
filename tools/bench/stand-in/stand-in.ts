/**
 * The network that everything is measured on: a stand-in for the zoo's ResNet34, whose weights cannot be shipped. Same
 * topology, names, shapes and file size, random weights; time and memory do not depend on the weights' values.
 */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Graph } from "../../onnx/graph.ts";
import { readOnnx } from "../../onnx/read.ts";
import { writeOnnx } from "../../onnx/write.ts";
import { packModel } from "../../pack/pack.ts";
import { cacheFolder, madeOnce } from "../../pictures/cache-folder.ts";
import { type LocalPack, readLocalPack } from "../../store/local-pack.ts";
import { projectFolder } from "../../store/platform-config.ts";
import { joinShards } from "./join-shards.ts";
import { zooBytes, zooGraph, zooSpecs } from "./zoo-onnx.ts";

export interface StandIn {
  /** The pack, int8 in shards. */
  readonly pack: LocalPack;
  /** The same int8 graph in one file. */
  readonly int8File: string;
  /** The float32 model, as the zoo has it. */
  readonly fp32File: string;
}

/** Folders whose code decides what is made. */
const sources = ["tools/onnx", "tools/pack", "tools/bench/stand-in", "examples/images"];

/** Made at the first use, which takes about ten seconds a size. @param size pixels of the input's side */
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

/** The same weights with another size of input: nothing but the declared shape tells it. */
async function resizedInput(folder: string, fp32File: string, size: number): Promise<string> {
  return madeOnce(path.join(folder, `resnet34-${size}.onnx`), async (file) => {
    const graph = readOnnx(await readFile(fp32File));
    const inputs = graph.inputs.map((input) => ({ ...input, dims: ["N", 3, size, size] }));
    await writeFile(file, zooBytes({ ...graph, inputs }));
  });
}

/** Few pictures are enough: ranges change what is computed, not how long it takes. */
async function makePack(file: string, out: string, name: string): Promise<void> {
  const pictures = path.join(projectFolder, "examples", "images");
  await packModel({ file, out, name, precision: "int8", calibrateDir: pictures, allowLarge: true });
}
