/** What a pack is: its manifest for people, and its layers counted in the shards themselves. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Manifest } from "../../src/model/manifest.ts";
import { readOnnx } from "../onnx/read.ts";
import type { LocalPack } from "./local-pack.ts";

export interface ShardInfo {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly nodes: number;
  readonly conv_layers: number;
}

export interface PackInfo {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  readonly source: Manifest["source"];
  readonly input: Manifest["input"];
  readonly preprocessing: Manifest["preprocessing"];
  readonly classes: number;
  readonly feature_size: number;
  readonly precision: Manifest["precision"];
  readonly quantisation: Manifest["quantisation"];
  readonly bytes: number;
  readonly conv_layers: number;
  readonly dense_layers: number;
  readonly shards: readonly ShardInfo[];
}

const convOperators: ReadonlySet<string> = new Set(["Conv", "QLinearConv", "ConvInteger"]);
const denseOperators: ReadonlySet<string> = new Set([
  "Gemm",
  "MatMul",
  "QGemm",
  "QLinearMatMul",
  "MatMulInteger",
]);

/** @throws CommandError when a shard is not an ONNX model. */
export async function packInfo(pack: LocalPack): Promise<PackInfo> {
  const { manifest, folder, files } = pack;
  const shards: ShardInfo[] = [];
  let denseLayers = 0;
  for (const { file, bytes, sha256 } of manifest.shards) {
    const { nodes } = readOnnx(await readFile(path.join(folder, file)));
    const count = (operators: ReadonlySet<string>) => nodes.filter(({ op }) => operators.has(op)).length;
    denseLayers += count(denseOperators);
    shards.push({ file, bytes, sha256, nodes: nodes.length, conv_layers: count(convOperators) });
  }
  const { name, version, source, input, preprocessing, classes, feature_size, precision, quantisation } =
    manifest;
  return {
    ...{
      name,
      version,
      folder,
      source,
      input,
      preprocessing,
      classes,
      feature_size,
      precision,
      quantisation,
    },
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    conv_layers: shards.reduce((sum, shard) => sum + shard.conv_layers, 0),
    dense_layers: denseLayers,
    shards,
  };
}
