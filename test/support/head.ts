/** Heads of random weights by seed, as files and as the bucket holds them. */
import { createHash } from "node:crypto";
import { bytesToBase64 } from "../../src/base64.ts";
import { type HeadFile, headVersion } from "../../src/head/head.ts";
import {
  type Backbone,
  type HeadCurrent,
  type HeadEntry,
  headCurrentKey,
  headKey,
} from "../../src/head/live-heads.ts";
import { Random } from "../../tools/pack/random.ts";

export interface TestHeadOptions {
  readonly name: string;
  readonly backbone: Backbone;
  readonly seed: number;
  readonly classes?: number;
  readonly featureSize?: number;
  /** Cosine under which an image is unknown; none: the head cannot tell. */
  readonly threshold?: number;
}

export interface TestHead {
  readonly file: HeadFile;
  readonly bytes: Uint8Array;
}

/** Labels are the name, the seed and the class, so that an answer tells which head made it. */
export async function testHead(options: TestHeadOptions): Promise<TestHead> {
  const { name, backbone, seed, classes = 3, featureSize = 512, threshold } = options;
  const random = new Random(seed);
  const matrix = (scale: number) =>
    bytesToBase64(
      new Uint8Array(
        Float32Array.from({ length: classes * featureSize }, () => scale * random.normal()).buffer,
      ),
    );
  const content = {
    format: 1 as const,
    name,
    version: "0".repeat(16),
    backbone: { name: backbone.name, version: backbone.version },
    method: "logistic" as const,
    labels: Array.from({ length: classes }, (_, i) => ({ id: `${i}`, label: `${name} ${seed} ${i}` })),
    feature_size: featureSize,
    normalize: "l2" as const,
    weights: matrix(1),
    bias: Array.from({ length: classes }, () => random.normal()),
    temperature: 0.7,
    unknown: threshold === undefined ? null : { centroids: matrix(1 / Math.sqrt(featureSize)), threshold },
    training: { seed },
  };
  const file = { ...content, version: await headVersion(content) };
  return { file, bytes: new TextEncoder().encode(JSON.stringify(file)) };
}

interface Puts {
  put(key: string, value: Uint8Array | string): Promise<unknown>;
}

export function entryOf({ file, bytes }: TestHead): HeadEntry {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const { version, backbone } = file;
  return { version, backbone, bytes: bytes.length, sha256, pushed_at: "2026-01-01T00:00:00Z" };
}

/** Puts heads of one name into the bucket, live each on its version of the model. */
export async function seedHeads(bucket: Puts, ...heads: TestHead[]): Promise<void> {
  const name = heads[0]?.file.name ?? "";
  for (const { file, bytes } of heads) await bucket.put(headKey(name, file.version), bytes);
  const live = heads.map(entryOf);
  const current: HeadCurrent = { format: 1, name, live, history: live };
  await bucket.put(headCurrentKey(name), JSON.stringify(current));
}
