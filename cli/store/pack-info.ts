/** Describes a pack: its manifest, and the layers that its shards contain. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { readOnnx } from "../onnx/file.ts";
import type { LocalPack } from "./local-pack.ts";

/** What `model info --json` prints: the manifest without its tensor names, and the layers and bytes of each shard. */
export type PackInfo = Awaited<ReturnType<typeof packInfo>>;

const convOperators = ["Conv", "QLinearConv", "ConvInteger"];
const denseOperators = ["Gemm", "MatMul", "QGemm", "QLinearMatMul", "MatMulInteger"];

/**
 * Reads the shards of a pack and counts their layers.
 * @throws CommandError when a shard is not an ONNX model
 */
export async function packInfo({ manifest, folder, files }: LocalPack) {
  const { format: _format, labels: _labels, outputs: _outputs, ...facts } = manifest;
  const shards = [];
  let denseLayers = 0;
  for (const { file, bytes, sha256 } of manifest.shards) {
    const { nodes } = readOnnx(await readFile(path.join(folder, file)));
    const count = (operators: readonly string[]) => nodes.filter(({ op }) => operators.includes(op)).length;
    denseLayers += count(denseOperators);
    shards.push({ file, bytes, sha256, nodes: nodes.length, conv_layers: count(convOperators) });
  }
  return {
    ...facts,
    folder,
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    conv_layers: shards.reduce((sum, shard) => sum + shard.conv_layers, 0),
    dense_layers: denseLayers,
    shards,
  };
}
