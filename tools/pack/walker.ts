/** Reads a simplified graph along its edges: who consumes a value, what its constants and attributes are; refuses with names. */
import type { Graph, GraphNode, Tensor } from "../onnx/graph.ts";
import { PackError } from "./errors.ts";

const supported =
  "Supported is the ResNet v1 family (18, 34, 50, 101, 152) as in the ONNX model zoo (resnet*-v1-7) or as torchvision exports it.";

/** The refusal of a node: its name, its operator, what is wrong with it, what is supported. */
export function refuse(node: GraphNode, problem: string): PackError {
  const op = node.domain === "" ? node.op : `${node.domain}.${node.op}`;
  return new PackError(`Node "${node.name}" (${op}) ${problem}. ${supported}`);
}

export class Walker {
  readonly #consumers = new Map<string, GraphNode[]>();
  readonly graph: Graph;
  constructor(graph: Graph) {
    this.graph = graph;
    for (const node of graph.nodes) {
      for (const input of new Set(node.inputs)) {
        const consumers = this.#consumers.get(input);
        if (consumers === undefined) this.#consumers.set(input, [node]);
        else consumers.push(node);
      }
    }
  }

  consumers(value: string): readonly GraphNode[] {
    return this.#consumers.get(value) ?? [];
  }

  /** The node that reads `value`, null unless exactly one does. */
  next(value: string): GraphNode | null {
    const [node, ...others] = this.consumers(value);
    return node !== undefined && others.length === 0 ? node : null;
  }

  /** The one node that reads `value`. `after` names what made the value, for the message. */
  only(value: string, after: string): GraphNode {
    const [node, ...others] = this.consumers(value);
    if (node === undefined) {
      throw new PackError(
        `The graph ends after "${after}"; expected a classifier that ends in Gemm. ${supported}`,
      );
    }
    if (others[0] !== undefined) {
      throw refuse(others[0], `reads "${value}" as "${node.name}" does; expected one reader there`);
    }
    return node;
  }

  isOp(node: GraphNode, ...ops: string[]): boolean {
    return node.domain === "" && ops.includes(node.op);
  }

  /** @throws PackError unless the node has one of the operators. */
  expect(node: GraphNode, ...ops: string[]): GraphNode {
    if (this.isOp(node, ...ops)) return node;
    throw refuse(node, `stands where ${ops.join(" or ")} was expected`);
  }

  output(node: GraphNode): string {
    return node.outputs[0] ?? "";
  }

  /** The node's input number `index` as a constant; null where it is left out. */
  constant(node: GraphNode, index: number): Tensor | null {
    const name = node.inputs[index] ?? "";
    if (name === "") return null;
    const tensor = this.graph.initializers.get(name);
    if (tensor === undefined)
      throw refuse(node, `takes its input "${name}" from a computation; expected a constant`);
    return tensor;
  }

  /** The node's input number `index` as float32 constant. */
  floatConstant(node: GraphNode, index: number): { dims: readonly number[]; data: Float32Array } {
    const tensor = this.constant(node, index);
    if (tensor?.type !== "float32") {
      throw refuse(node, `has ${tensor?.type ?? "nothing"} as input ${index}; expected a float32 constant`);
    }
    return tensor;
  }

  int(node: GraphNode, name: string, fallback: number): number {
    const attribute = node.attributes.get(name);
    return attribute?.kind === "int" ? attribute.value : fallback;
  }

  float(node: GraphNode, name: string, fallback: number): number {
    const attribute = node.attributes.get(name);
    return attribute?.kind === "float" ? attribute.value : fallback;
  }

  ints(node: GraphNode, name: string, fallback: readonly number[]): readonly number[] {
    const attribute = node.attributes.get(name);
    return attribute?.kind === "ints" ? attribute.value : fallback;
  }

  string(node: GraphNode, name: string, fallback: string): string {
    const attribute = node.attributes.get(name);
    return attribute?.kind === "string" ? attribute.value : fallback;
  }
}
