/** Predicts the WASM heap of ONNX Runtime with a pack loaded, so that a pack that cannot fit is refused early. */
import { memoryBudget } from "../../src/limits.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import { convolutions, type ResNet } from "./resnet.ts";

const MiB = 2 ** 20;

/** The model's share of the isolate's 128 MB. */
export const maxHeapBytes = memoryBudget.modelBytes;

/**
 * Fitted to onnxruntime-web 1.30 with ResNet18 to 152 in int8 and fp32, at 64 to 320 pixels; docs/model-packs.md has
 * the measurements. The heap holds ORT itself with its data per layer, all weights, and either, while the last shard
 * loads, copies of that shard (the file and its parsed protobuf), or, while running, the activations.
 */
const runtimeMiB = 8.9;
const layerMiB = 0.175;
const copiesOfLastShard = 2;
const activationMiBAt224 = 9.5;
/** Emscripten starts with 16 MiB and grows a memory by a fifth. */
const initialMiB = 16;
const growth = 1.2;

/** Bytes of heap once the network's pack is loaded and has run. */
export function predictHeapBytes(
  net: ResNet,
  precision: Manifest["precision"],
  size: number,
  shardBytes: number,
): number {
  const layers = convolutions(net);
  const convWeights = layers.reduce((sum, { weight }) => sum + weight.length, 0);
  const weightBytes = convWeights * (precision === "int8" ? 1 : 4) + net.dense.weight.byteLength;
  return predictHeapOf({ layers: layers.length, weightBytes, size, shardBytes });
}

/** The same for a finished pack, from counts alone. */
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

/**
 * Refuses a pack that does not fit.
 * @throws CommandError when the prediction exceeds maxHeapBytes.
 */
export function requireFit(architecture: string, precision: Manifest["precision"], heapBytes: number): void {
  if (heapBytes <= maxHeapBytes) return;
  const inMiB = (bytes: number) => (bytes / MiB).toFixed(0);
  throw new CommandError(
    `A ${precision} pack of this ${architecture} needs about ${inMiB(heapBytes)} MiB of WASM heap; a Worker of 128 MB has room for ${inMiB(maxHeapBytes)}. ` +
      `${precision === "fp32" ? "Pack it with --precision int8, or a" : "A"}dd --allow-large for a pack to compare with locally, or for a host without that limit.`,
  );
}
