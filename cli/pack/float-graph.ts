/** ResNet as a folded float32 graph: what fp32 packs contain, and what calibration runs. */
import { floats } from "../onnx/graph.ts";
import { type CuttableGraph, convAttributes, convDims, Emitter, type GraphOptions } from "./emit.ts";
import type { ConvLayer, ResNet } from "./resnet.ts";

/** Writes a float32 graph. */
export function floatGraph(net: ResNet, options: GraphOptions): CuttableGraph {
  return new FloatEmitter(options).write(net);
}

class FloatEmitter extends Emitter {
  protected override conv(layer: ConvLayer, x: string): string {
    const { builder } = this;
    const input = builder.value(x).dims;
    const [outputs, ...rest] = layer.dims;
    const perOutput = layer.weight.length / outputs;
    const linear = layer.relu ? `${layer.name}.linear` : layer.name;
    const dims = convDims(input, layer);
    const write = (name: string, from: number, to: number) => {
      // An undivided layer names its constants after the layer, a part after itself.
      const owner = name === linear ? layer.name : name;
      const rows = layer.weight.subarray(from * perOutput, to * perOutput);
      const weight = builder.constant(`${owner}.weight`, floats([to - from, ...rest], rows));
      const bias = builder.constant(`${owner}.bias`, floats([to - from], layer.bias.subarray(from, to)));
      const output = { name, type: "float32", dims: convDims(input, layer, to - from) } as const;
      return builder.node("Conv", [x, weight, bias], output, convAttributes(layer));
    };
    this.inRuns(linear, dims, layer.weight.byteLength, write, layer.name);
    return layer.relu ? builder.node("Relu", [linear], { name: layer.name, type: "float32", dims }) : linear;
  }
}
