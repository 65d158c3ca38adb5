/** Removes, retypes or enlarges fields of a JSON document, as a fast-check arbitrary. */
import fc from "fast-check";

type Json = unknown;
type Path = readonly (string | number)[];

function pathsOf(value: Json, path: Path = []): Path[] {
  if (value === null || typeof value !== "object") return [path];
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [path, ...entries.flatMap(([key, child]) => pathsOf(child, [...path, key]))];
}

const removed = Symbol("removed");
const replacements = fc.oneof(
  fc.constant(removed),
  fc.constantFrom<Json>(null, true, false, 0, -1, 0.5, 1e-320, 1e300, 2 ** 31, 2 ** 53, "", "0", [], {}, [
    [],
  ]),
  fc.constantFrom<Json>(
    "../x",
    "a/b",
    "__proto__",
    "constructor",
    "\ud800",
    "\r\nX-Evil: 1",
    "x".repeat(100_000),
  ),
  fc.constantFrom<Json>(
    "data",
    "a",
    "b",
    "logits",
    "features",
    "0".repeat(64),
    "0".repeat(16),
    "labels.json",
  ),
  fc.constant(null).map(() => new Array(10_000).fill(0)),
  fc.jsonValue({ maxDepth: 3 }),
);

function replaced(value: Json, [key, ...rest]: Path, by: Json): Json {
  if (key === undefined) return by;
  const copy = structuredClone(value) as Record<string | number, Json>;
  if (rest.length > 0) copy[key] = replaced(copy[key], rest, by);
  else if (by === removed) delete copy[key];
  else Object.defineProperty(copy, key, { value: by, enumerable: true, configurable: true });
  return copy;
}

/** Returns `document` with one to three changed fields, or a document of another type. */
export function mutations(document: Json): fc.Arbitrary<Json> {
  const change = fc.tuple(fc.constantFrom(...pathsOf(document)), replacements);
  return fc.array(change, { minLength: 1, maxLength: 3 }).map((changes) =>
    changes.reduce<Json>((value, [path, by]) => {
      try {
        return replaced(value, path, by === removed && path.length === 0 ? null : by);
      } catch {
        // An earlier change has replaced this place.
        return value;
      }
    }, document),
  );
}
