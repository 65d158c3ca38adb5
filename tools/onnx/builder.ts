/** Builds a Graph node by node, and remembers each value's type and shape so that it can be cut anywhere. */
import type { Attribute, Dimension, Graph, GraphNode, Tensor, ValueInfo } from "./graph.ts";

export interface NodeOptions {
  attributes?: Record<string, Attribute>;
  domain?: string;
}

/** A graph whose every intermediate value has a known type and shape. */
export interface TypedGraph extends Graph {
  values: ReadonlyMap<string, ValueInfo>;
}

export class GraphBuilder {
  readonly #nodes: GraphNode[] = [];
  readonly #initializers = new Map<string, Tensor>();
  readonly #values = new Map<string, ValueInfo>();
  readonly #inputs: ValueInfo[] = [];

  /** Declares an input of the graph and returns its name. */
  input(value: ValueInfo): string {
    this.#inputs.push(value);
    this.#values.set(value.name, value);
    return value.name;
  }

  /** Adds a constant, or finds the one of that name again, and returns its name. */
  constant(name: string, tensor: Tensor): string {
    this.#initializers.set(name, tensor);
    return name;
  }

  /** Adds a node with one output, which also names the node, and returns the output's name. */
  node(op: string, inputs: readonly string[], output: ValueInfo, options: NodeOptions = {}): string {
    this.#nodes.push({
      name: output.name,
      op,
      domain: options.domain ?? "",
      inputs,
      outputs: [output.name],
      attributes: new Map(Object.entries(options.attributes ?? {})),
    });
    this.#values.set(output.name, output);
    return output.name;
  }

  get nodeCount(): number {
    return this.#nodes.length;
  }

  /** Whether a value of that name was added. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Type and shape of a value that was added. */
  value(name: string): ValueInfo {
    const found = this.#values.get(name);
    if (found === undefined) throw new Error(`no value "${name}" in the graph being built`);
    return found;
  }

  dims(name: string): readonly Dimension[] {
    return this.value(name).dims;
  }

  build(name: string, opset: number, outputs: readonly string[]): TypedGraph {
    return {
      name,
      opset,
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: this.#inputs,
      outputs: outputs.map((output) => this.value(output)),
      values: this.#values,
    };
  }
}
