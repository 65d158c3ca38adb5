/** Follows a graph along its edges, and refuses nodes with an error that names them. */
import type { Attribute, Graph, GraphNode, Tensor } from "../onnx/graph.ts";
import { CommandError } from "../terminal/fail.ts";

const supported =
  "Supported are ResNet v1 networks as in the ONNX model zoo (resnet*-v1-7) or as torchvision exports them.";

type Kind = Attribute["kind"];
type ValueOf<K extends Kind> = Extract<Attribute, { kind: K }>["value"];

/**
 * The error for an unsupported node: its name, its operator, the problem, and what to do.
 * @param fix A sentence. Default: what is supported.
 */
export function refuse(node: GraphNode, problem: string, fix = supported): CommandError {
  const op = node.domain === "" ? node.op : `${node.domain}.${node.op}`;
  return new CommandError(`Node "${node.name}" (${op}) ${problem}. ${fix}`);
}

/** A graph without the nodes that exporters add and that do not change a value. */
export class Walker {
  readonly #consumers = new Map<string, GraphNode[]>();
  readonly #shapes: ReadonlySet<string>;
  readonly graph: Graph;

  constructor(graph: Graph) {
    ({ graph: this.graph, shapes: this.#shapes } = simplify(graph));
    for (const node of this.graph.nodes) {
      for (const input of new Set(node.inputs)) {
        this.#consumers.set(input, [...this.consumers(input), node]);
      }
    }
  }

  /** The nodes that read `value`. */
  consumers(value: string): readonly GraphNode[] {
    return this.#consumers.get(value) ?? [];
  }

  /** The node that reads `value`, null unless exactly one does. */
  next(value: string): GraphNode | null {
    const [node, ...others] = this.consumers(value);
    return node !== undefined && others.length === 0 ? node : null;
  }

  /**
   * The one node that reads `value`.
   * @param after What computes the value, for the error.
   * @throws CommandError unless exactly one node reads it.
   */
  only(value: string, after: string): GraphNode {
    const [node, second] = this.consumers(value);
    if (node === undefined) {
      throw new CommandError(
        `The graph ends after "${after}"; expected a classifier that ends in Gemm or MatMul. ${supported}`,
      );
    }
    if (second) throw refuse(second, `reads "${value}", as "${node.name}" does; expected one reader`);
    return node;
  }

  /** Whether the value is computed from the shapes of other values alone. */
  isShape(value: string): boolean {
    return this.#shapes.has(value);
  }

  /** Whether the node has one of these ai.onnx operators. */
  isOp(node: GraphNode, ...ops: string[]): boolean {
    return node.domain === "" && ops.includes(node.op);
  }

  /**
   * Returns the node.
   * @throws CommandError unless it has one of these operators.
   */
  expect(node: GraphNode, ...ops: string[]): GraphNode {
    if (this.isOp(node, ...ops)) return node;
    throw refuse(node, `is not supported here; expected ${ops.join(" or ")}`);
  }

  /** Name of the node's first output. */
  output(node: GraphNode): string {
    return node.outputs[0] ?? "";
  }

  /**
   * Input number `index` as a constant; null when it is left out.
   * @throws CommandError when the input is computed.
   */
  constant(node: GraphNode, index: number): Tensor | null {
    const name = node.inputs[index] ?? "";
    if (name === "") return null;
    const tensor = this.graph.initializers.get(name);
    if (tensor !== undefined) return tensor;
    throw refuse(node, `takes its input "${name}" from a computation; expected a constant`);
  }

  /**
   * Input number `index` as a float32 constant.
   * @throws CommandError when it is something else, or has a value that is not finite.
   */
  floatConstant(node: GraphNode, index: number): { dims: readonly number[]; data: Float32Array } {
    const tensor = this.constant(node, index);
    if (tensor?.type !== "float32") {
      throw refuse(node, `has ${tensor?.type ?? "nothing"} as input ${index}; expected a float32 constant`);
    }
    const at = tensor.data.findIndex((value) => !Number.isFinite(value));
    if (at < 0) return tensor;
    throw refuse(
      node,
      `reads "${node.inputs[index]}", whose element ${at} is ${tensor.data[at]}; expected finite numbers`,
      "The training diverged or the file is damaged; export a checkpoint with finite weights.",
    );
  }

  /** Value of an attribute; `fallback` when the node has none of that name and kind. */
  attribute<K extends Kind>(node: GraphNode, kind: K, name: string, fallback: ValueOf<K>): ValueOf<K> {
    const attribute = node.attributes.get(name);
    return attribute?.kind === kind ? (attribute.value as ValueOf<K>) : fallback;
  }

  /**
   * Checks an attribute that is supported only with its default.
   * @throws CommandError when the node sets another value.
   */
  requireDefault<K extends Kind>(node: GraphNode, kind: K, name: string, expected: ValueOf<K>): void {
    const value = this.attribute(node, kind, name, expected);
    if (String(value) !== String(expected)) throw refuse(node, `has ${name} ${value}; expected ${expected}`);
  }
}

/** ONNX's number of float32, as Cast names it. */
const float32 = 1;

/**
 * Turns Constant nodes into initialisers and removes Identity, Dropout and casts to float32: readers of their outputs then
 * read their inputs. torchvision's exporter shares equal biases through Identity nodes. Nodes that compute with shapes,
 * such as those of `x.view(x.size(0), -1)`, are removed too.
 * @returns The graph, and the names of the values that were computed from shapes.
 */
function simplify(graph: Graph): { graph: Graph; shapes: Set<string> } {
  const aliases = new Map<string, string>();
  const initializers = new Map<string, Tensor>(graph.initializers);
  const shapes = new Set<string>();
  const nodes: GraphNode[] = [];
  const resolve = (name: string) => aliases.get(name) ?? name;
  for (const node of graph.nodes) {
    const [output = ""] = node.outputs;
    const inputs = node.inputs.map(resolve);
    const constant = node.attributes.get("value");
    if (node.op === "Constant" && constant?.kind === "tensor") {
      initializers.set(output, constant.value);
    } else if (computesShape(inputs, node, shapes, initializers)) {
      shapes.add(output);
    } else if (passesOn(node)) {
      aliases.set(output, inputs[0] ?? "");
    } else {
      nodes.push({ ...node, inputs });
    }
  }
  const outputs = graph.outputs.map((output) => ({ ...output, name: resolve(output.name) }));
  return { graph: { ...graph, nodes, initializers, outputs }, shapes };
}

/** Whether a node is Shape, or reads nothing but shapes and constants. */
function computesShape(
  inputs: readonly string[],
  { op }: GraphNode,
  shapes: ReadonlySet<string>,
  initializers: ReadonlyMap<string, Tensor>,
): boolean {
  if (op === "Shape") return true;
  return (
    inputs.some((name) => shapes.has(name)) &&
    inputs.every((name) => shapes.has(name) || initializers.has(name))
  );
}

function passesOn({ op, attributes }: GraphNode): boolean {
  if (op === "Cast") return attributes.get("to")?.value === float32;
  return op === "Identity" || op === "Dropout";
}
