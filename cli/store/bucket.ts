/** What is used of an R2 bucket binding, local or remote, and reading it page by page. */
import { headsFolder } from "../../src/model/manifest.ts";

export interface ObjectHead {
  readonly size: number;
  readonly checksums: { readonly sha256?: ArrayBuffer };
}

export interface PutOptions {
  /** SHA-256 of the value in hex: R2 compares it with what arrives, and keeps it. */
  readonly sha256?: string;
  /** Write only over the content with this ETag, or only where there is no object yet. */
  readonly onlyIf?: { readonly etagMatches: string } | { readonly etagDoesNotMatch: "*" };
}

/** What a push needs. */
export interface PackBucket {
  head(key: string): Promise<ObjectHead | null>;
  get(key: string): Promise<{ readonly etag: string; text(): Promise<string> } | null>;
  /** Resolves with null when `onlyIf` does not hold; nothing is written then. */
  put(key: string, value: Uint8Array | string, options?: PutOptions): Promise<object | null>;
}

export interface ListedObject {
  readonly key: string;
  readonly size: number;
}

export interface ListPage {
  readonly objects: readonly ListedObject[];
  readonly truncated: boolean;
  readonly cursor?: string;
  readonly delimitedPrefixes: readonly string[];
}

/** What looking at and tidying the bucket needs besides. */
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

/** Every object under `prefix`. */
export async function listObjects(bucket: StoreBucket, prefix: string): Promise<ListedObject[]> {
  const objects: ListedObject[] = [];
  for await (const page of pages(bucket, { prefix })) {
    objects.push(...page.objects.map(({ key, size }) => ({ key, size })));
  }
  return objects;
}

/** Names of the folders in the folder `prefix`, which ends in "/", or at the top. */
export async function listFolders(bucket: StoreBucket, prefix = ""): Promise<string[]> {
  const names: string[] = [];
  for await (const page of pages(bucket, { delimiter: "/", prefix })) {
    names.push(...page.delimitedPrefixes.map((folder) => folder.slice(prefix.length, -1)));
  }
  return names;
}

/** Names of the models: the folders at the top but that of the heads. */
export async function listModelNames(bucket: StoreBucket): Promise<string[]> {
  return (await listFolders(bucket)).filter((name) => name !== headsFolder);
}

async function* pages(bucket: StoreBucket, options: { prefix?: string; delimiter?: string }) {
  let cursor: string | undefined;
  do {
    const page: ListPage = await bucket.list(cursor === undefined ? options : { ...options, cursor });
    yield page;
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
}
