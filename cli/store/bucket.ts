/** The part of an R2 bucket binding, local or remote, that the commands use. */
import { npmRun } from "../commands/shared.ts";
import { CommandError } from "../terminal/fail.ts";

/** Size and hash of a stored object. */
export interface ObjectHead {
  readonly size: number;
  /** Empty if another tool uploaded the object without a hash. */
  readonly checksums: { readonly sha256?: ArrayBuffer };
}

/** Conditions of a write. */
export interface PutOptions {
  /** SHA-256 of the value in hex. R2 verifies it on arrival and stores it. */
  readonly sha256?: string;
  /** Metadata that listings show. */
  readonly customMetadata?: Readonly<Record<string, string>>;
  /** Write only if the object still has this ETag, or does not exist. */
  readonly onlyIf?: { readonly etagMatches: string } | { readonly etagDoesNotMatch: "*" };
}

/** What a push of a pack needs. */
export interface PackBucket {
  head(key: string): Promise<ObjectHead | null>;
  get(key: string): Promise<{ readonly etag: string; text(): Promise<string> } | null>;
  /** Resolves to null, without writing, when `onlyIf` does not hold. */
  put(key: string, value: Uint8Array | string, options?: PutOptions): Promise<object | null>;
}

/** One object of a listing. */
export interface ListedObject {
  readonly key: string;
  readonly size: number;
}

/** One page of a listing. */
export interface ListPage {
  readonly objects: readonly ListedObject[];
  readonly truncated: boolean;
  readonly cursor?: string;
  readonly delimitedPrefixes: readonly string[];
}

/** What the other commands need as well: whole objects, listings and deletion. */
export interface StoreBucket extends PackBucket {
  get(key: string): Promise<{
    readonly etag: string;
    readonly size: number;
    text(): Promise<string>;
    arrayBuffer(): Promise<ArrayBuffer>;
  } | null>;
  list(options: { prefix?: string; delimiter?: string; cursor?: string }): Promise<ListPage>;
  delete(keys: string | string[]): Promise<void>;
}

/** Returns every object under `prefix`. */
export async function listObjects(bucket: StoreBucket, prefix: string): Promise<ListedObject[]> {
  const listed = await listAll(bucket, { prefix });
  return listed.flatMap(({ objects }) => objects.map(({ key, size }) => ({ key, size })));
}

/** Returns the names of the folders directly under `prefix`, which is empty or ends in "/". */
export async function listFolders(bucket: StoreBucket, prefix: string): Promise<string[]> {
  const listed = await listAll(bucket, { delimiter: "/", prefix });
  return listed.flatMap((page) => page.delimitedPrefixes.map((folder) => folder.slice(prefix.length, -1)));
}

async function listAll(bucket: StoreBucket, options: { prefix: string; delimiter?: string }) {
  const pages: ListPage[] = [];
  let cursor: string | undefined;
  do {
    const page: ListPage = await bucket.list(cursor === undefined ? options : { ...options, cursor });
    pages.push(page);
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return pages;
}

/** A failure that another command on the same bucket fixes. */
export class BucketFixError extends CommandError {
  readonly #command: readonly [script: string, ...args: string[]];
  readonly #advice: string;

  /**
   * @param advice what the command does
   * @param command script and arguments
   * @param flags options that choose the bucket, which only the command that runs knows: see {@link onBucket}
   */
  constructor(
    what: string,
    advice: string,
    command: readonly [script: string, ...args: string[]],
    flags: readonly string[] = [],
  ) {
    super(what, { fix: `${advice}: ${npmRun(...command, ...flags)}` });
    this.#command = command;
    this.#advice = advice;
  }

  /** Returns the error with the options that choose the bucket. */
  onBucket(flags: readonly string[]): BucketFixError {
    return new BucketFixError(this.what, this.#advice, this.#command, flags);
  }
}
