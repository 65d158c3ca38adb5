/** The one walk over a ResNet that both the float and the quantised graph are written by. */
import type { TypedGraph } from "../onnx/builder.ts";
import type { Block, ConvLayer, ResNet } from "./resnet.ts";

/** Writes each part of the network; values are named by the caller. Every method returns the value it made. */
export interface Emitter {
  input(net: ResNet): string;
  /** Calls `cut` where the layer itself may be cut, if anywhere. */
  conv(layer: ConvLayer, x: string, cut: () => void): string;
  maxPool(net: ResNet, x: string): string;
  /** relu(branch + shortcut). */
  add(block: Block, branch: string, shortcut: string): string;
  /** Pooled features and logits. The features are among the outputs of whichever shard is the last. */
  head(net: ResNet, x: string, cut: () => void): void;
  /** Nodes written so far. */
  readonly nodeCount: number;
}

/** A place at which a graph may be cut: before node `at`. */
export interface Cut {
  at: number;
  /** Between blocks one value crosses; inside a block, the shortcut crosses too. */
  insideBlock: boolean;
}

/** A graph together with where it may be cut. */
export interface CuttableGraph {
  graph: TypedGraph;
  cuts: readonly Cut[];
}

/** Runs of outputs, channels or classes, into which a layer of so many bytes is divided so that it can be cut. */
export function outputRuns(outputs: number, bytes: number, maxBytes: number): [from: number, to: number][] {
  const count = Math.max(1, Math.min(outputs, Math.ceil(bytes / maxBytes)));
  const start = (index: number) => Math.round((index * outputs) / count);
  return Array.from({ length: count }, (_, index) => [start(index), start(index + 1)]);
}

/** Names of the outputs of every pack. */
export const logitsName = "logits";
export const featuresName = "features";

/** Operator set of written graphs: 13 has QuantizeLinear per channel and MaxPool on u8, and every ORT since 1.6 reads it. */
export const writtenOpset = 13;

export function emitResNet(net: ResNet, emitter: Emitter): Cut[] {
  const cuts: Cut[] = [];
  const cut = (insideBlock: boolean) => cuts.push({ at: emitter.nodeCount, insideBlock });
  const cutInside = () => cut(true);
  let x = emitter.maxPool(net, emitter.conv(net.stem, emitter.input(net), cutInside));
  for (const block of net.blocks) {
    cut(false);
    const shortcut = block.downsample ? emitter.conv(block.downsample, x, cutInside) : x;
    let branch = x;
    block.convs.forEach((conv, index) => {
      if (index > 0 || block.downsample) cutInside();
      branch = emitter.conv(conv, branch, cutInside);
    });
    x = emitter.add(block, branch, shortcut);
  }
  cut(false);
  emitter.head(net, x, cutInside);
  return cuts;
}
