/** Decoded heads in the isolate's memory: the least recently used go first, bounded by bytes. */
import type { Head } from "./head.ts";

export class DecodedHeads {
  // A Map keeps insertion order: the first key is the least recently used.
  readonly #heads = new Map<string, { readonly head: Head; readonly bytes: number }>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#heads.size;
  }

  get(key: string): Head | undefined {
    const found = this.#heads.get(key);
    if (!found) return undefined;
    this.#heads.delete(key);
    this.#heads.set(key, found);
    return found.head;
  }

  /** @returns the head as it is kept */
  put(key: string, decoded: Head): Head {
    const head = withoutText(decoded);
    const bytes = headBytes(head);
    this.#delete(key);
    this.#heads.set(key, { head, bytes });
    this.#bytes += bytes;
    // The newest stays in any case: it is in use.
    for (const oldest of this.#heads.keys()) {
      if (this.#bytes <= this.#maxBytes || this.#heads.size === 1) break;
      this.#delete(oldest);
    }
    return head;
  }

  #delete(key: string): void {
    const found = this.#heads.get(key);
    if (!found) return;
    this.#heads.delete(key);
    this.#bytes -= found.bytes;
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
