/** Prints a graph as lines of test/fixtures/*.topology.txt: operator, name, inputs, outputs, attributes sorted by name. */
import type { Attribute, Graph } from "../../cli/onnx/graph.ts";

export function topologyText(graph: Graph): string {
  const lines = graph.nodes.map(({ op, name, inputs, outputs, attributes }) => {
    const sorted = Array.from(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
    const pairs = sorted.map(([key, value]) => `${key}=${attributeText(value)}`);
    return [op, name, inputs.join(","), "->", outputs.join(","), pairs.join(" ")].join("\t");
  });
  return `${lines.join("\n")}\n`;
}

/** Formats a value like Python. */
function attributeText(attribute: Attribute): string {
  switch (attribute.kind) {
    case "ints":
      return `[${attribute.value.join(", ")}]`;
    case "float":
      return pythonFloat(attribute.value);
    case "int":
      return String(attribute.value);
    default:
      throw new Error(`no text for an attribute of kind ${attribute.kind}`);
  }
}

function pythonFloat(value: number): string {
  if (Number.isInteger(value)) return value.toFixed(1);
  if (Math.abs(value) >= 1e-4) return String(value);
  return value.toExponential().replace(/e-(\d)$/, "e-0$1");
}
