/** Predicts the WASM heap of ONNX Runtime with a pack loaded, so that one that cannot fit is refused before any work. */
import { memoryBudget } from "../../src/limits.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { PackError } from "./errors.ts";
import { convolutions, type ResNet } from "./resnet.ts";

const MiB = 2 ** 20;

/** Of the isolate's 128 MB the rest is for decoding images and for JavaScript. */
export const maxHeapBytes = memoryBudget.modelBytes;

/**
 * Fitted to onnxruntime-web 1.30 with ResNet18 to 152 in int8 and fp32, at 64 to 320 pixels; the measurements are in
 * model-shards/README.md. In the heap stand ORT itself with what it keeps for each layer, all weights, and, while the
 * last shard becomes a session, copies of it (the file, its parsed protobuf); while running, instead, the activations.
 */
const runtimeMiB = 8.9;
const layerMiB = 0.175;
const copiesOfLastShard = 2;
const activationMiBAt224 = 9.5;
/** Emscripten grows a memory by a fifth, from 16 MiB on. */
const initialMiB = 16;
const growth = 1.2;

/** Bytes of heap once the pack is loaded and has run. */
export function predictHeapBytes(
  net: ResNet,
  precision: Manifest["precision"],
  size: number,
  shardBytes: number,
): number {
  return predictHeapOf({
    layers: convolutions(net).length,
    weightBytes: weightBytes(net, precision),
    size,
    shardBytes,
  });
}

/** The same from the counts alone, for a pack that is made already. */
export function predictHeapOf(pack: {
  readonly layers: number;
  readonly weightBytes: number;
  /** Pixels of the input's side. */
  readonly size: number;
  /** Bytes of the last shard, at most. */
  readonly shardBytes: number;
}): number {
  const weights = pack.weightBytes / MiB;
  const loadingMiB = copiesOfLastShard * Math.min(weights, pack.shardBytes / MiB);
  const runningMiB = activationMiBAt224 * (pack.size / 224) ** 2;
  const used = runtimeMiB + layerMiB * pack.layers + weights + Math.max(loadingMiB, runningMiB);
  let heap = initialMiB;
  while (heap < used) heap *= growth;
  return Math.round(heap * MiB);
}

/** Bytes of weights as the pack stores them. */
function weightBytes(net: ResNet, precision: Manifest["precision"]): number {
  const perWeight = precision === "int8" ? 1 : 4;
  const inConvolutions = convolutions(net).reduce((sum, layer) => sum + layer.weight.length, 0);
  return inConvolutions * perWeight + net.dense.weight.byteLength;
}

/** @throws PackError when the prediction is over maxHeapBytes. */
export function requireFit(architecture: string, precision: Manifest["precision"], heapBytes: number): void {
  if (heapBytes <= maxHeapBytes) return;
  const inMiB = (bytes: number) => (bytes / MiB).toFixed(0);
  throw new PackError(
    `A ${precision} pack of this ${architecture} needs about ${inMiB(heapBytes)} MiB of WASM heap; a Worker of 128 MB has room for ${inMiB(maxHeapBytes)}. ` +
      `${precision === "fp32" ? "Pack it with --precision int8, or a" : "A"}dd --allow-large for a pack to compare with locally, or for a host without that limit.`,
  );
}
