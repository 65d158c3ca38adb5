/**
 * Which heads the bucket has, so that names of none cost no read each and are not remembered each: one R2 list, made
 * anew when a name is asked for that is not on it, at most once in `refreshMs`.
 */
import { maxHeadNames } from "../limits.ts";
import { headsFolder } from "../model/manifest.ts";

/** What is used of an R2 bucket binding besides reading. */
export interface ListableBucket {
  list(options: { prefix: string; delimiter: string; limit: number }): Promise<{
    readonly truncated: boolean;
    readonly delimitedPrefixes: readonly string[];
  }>;
}

export class HeadNames {
  readonly #bucket: ListableBucket;
  readonly #refreshMs: number;
  readonly #now: () => number;
  #listed:
    | { readonly names: ReadonlySet<string>; readonly whole: boolean; readonly atMs: number }
    | undefined;
  #lists = 0;

  constructor(bucket: ListableBucket, refreshMs: number, now: () => number) {
    this.#bucket = bucket;
    this.#refreshMs = refreshMs;
    this.#now = now;
  }

  /** Lists of the bucket so far; each is an R2 Class A operation. */
  get lists(): number {
    return this.#lists;
  }

  /**
   * Whether there may be such a head, by the last list: undefined when one must be made first. With more heads than a
   * list takes, only the bucket can tell, name by name.
   */
  mayExist(name: string): boolean | undefined {
    const listed = this.#listed;
    if (!listed || this.#now() - listed.atMs >= this.#refreshMs) return undefined;
    return listed.names.has(name) || !listed.whole;
  }

  /** Rejects with what the bucket rejects with. */
  async list(): Promise<void> {
    this.#lists++;
    const atMs = this.#now();
    const prefix = `${headsFolder}/`;
    const { delimitedPrefixes, truncated } = await this.#bucket.list({
      prefix,
      delimiter: "/",
      limit: maxHeadNames,
    });
    const names = delimitedPrefixes.map((folder) => folder.slice(prefix.length, -1));
    this.#listed = { names: new Set(names), whole: !truncated, atMs };
  }
}
