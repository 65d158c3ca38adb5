/** Makes head files: matrices as base64, the version from the content. */
import { bytesToBase64 } from "../../src/bytes/byte-arrays.ts";
import { type HeadFile, headFormat, headVersion, parseHead } from "../../src/head/head.ts";
import { maxHeadBytes } from "../../src/limits.ts";
import { FileError } from "../../src/model/json-file.ts";
import { canonicalJson, type Label } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import type { Linear } from "./logistic.ts";

/** What training computes. */
export interface HeadParameters extends Linear {
  readonly normalize: HeadFile["normalize"];
  readonly temperature: number;
  readonly confident: NonNullable<HeadFile["confident"]> | null;
  readonly unknown: UnknownParameters | undefined;
}

/** How the head detects unknown images. */
export interface UnknownParameters {
  /** Normalised class means of the backbone's logits, [classes, backboneClasses]. */
  readonly centroids: Float64Array;
  readonly backboneClasses: number;
  /** Cosine under which an image is unknown. */
  readonly threshold: number;
}

/** Fields of the head file that training does not compute. */
export type HeadFacts = Pick<HeadFile, "name" | "backbone" | "method" | "feature_size" | "training">;

/** A head file, parsed and as bytes. */
export interface WrittenHead {
  readonly file: HeadFile;
  readonly bytes: Uint8Array;
}

/**
 * Makes the file; equal arguments give equal bytes.
 * @throws CommandError when the Worker would not accept the file
 */
export async function headFile(
  { weights, bias, normalize, temperature, confident, unknown }: HeadParameters,
  labels: readonly Label[],
  facts: HeadFacts,
): Promise<WrittenHead> {
  const content = {
    ...facts,
    format: headFormat,
    labels,
    normalize,
    weights: float32Base64(weights),
    bias: Array.from(bias),
    temperature,
    confident,
    unknown: unknown
      ? {
          backbone_classes: unknown.backboneClasses,
          centroids: float32Base64(unknown.centroids),
          threshold: unknown.threshold,
        }
      : null,
  };
  const version = await headVersion(content);
  const bytes = new TextEncoder().encode(`${canonicalJson({ ...content, version })}\n`);
  if (bytes.length > maxHeadBytes) {
    throw new CommandError(
      `the head has ${bytes.length} bytes; the Worker accepts at most ${maxHeadBytes} bytes`,
      { fix: "train with fewer classes, or with --no-unknown" },
    );
  }
  const { file } = await parseHead(bytes).catch((cause: unknown) => {
    if (!(cause instanceof FileError)) throw cause;
    throw new CommandError(`the Worker would refuse this head: ${cause.message}`, { cause });
  });
  return { file, bytes };
}

/** Values as little-endian float32 in base64, on any machine. */
function float32Base64(values: Float64Array): string {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  for (const [i, value] of values.entries()) view.setFloat32(i * 4, value, true);
  return bytesToBase64(new Uint8Array(view.buffer));
}
