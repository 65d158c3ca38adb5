/** Decoded heads in the isolate's memory: the least recently used go first, bounded by bytes. */
import { Lru } from "../cache/lru.ts";
import type { Head } from "./head.ts";

export class DecodedHeads {
  readonly #heads: Lru<Head>;

  constructor(maxBytes: number) {
    this.#heads = new Lru(maxBytes);
  }

  get bytes(): number {
    return this.#heads.weight;
  }

  get size(): number {
    return this.#heads.size;
  }

  get(key: string): Head | undefined {
    return this.#heads.get(key);
  }

  /** @returns the head as it is kept */
  put(key: string, decoded: Head): Head {
    const head = withoutText(decoded);
    this.#heads.put(key, head, headBytes(head));
    return head;
  }
}

/** The base64 of the matrices takes more room than the matrices, and the report of the training is for people. */
function withoutText({ file, weights, centroids }: Head): Head {
  const unknown = file.unknown && { ...file.unknown, centroids: "" };
  return { file: { ...file, weights: "", unknown, training: {} }, weights, centroids };
}

/** V8's cost of one head beside its numbers: Map slot, objects, typed arrays. */
const headOverheadBytes = 2_000;
/** The same of one label beside its characters: an object, two strings, a bias. */
const labelOverheadBytes = 100;

function headBytes({ file, weights, centroids }: Head): number {
  const text = file.labels.reduce((sum, { id, label }) => sum + id.length + label.length, 0);
  const numbers = weights.byteLength + (centroids?.byteLength ?? 0);
  return numbers + 2 * text + labelOverheadBytes * file.labels.length + headOverheadBytes;
}
