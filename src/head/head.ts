/**
 * A head: one's own classes on the features of a pack's backbone. A linear layer, its labels, and what it was trained on.
 * Pure: no I/O, no Workers types. The trainer (cli/head/) and the Worker score with this very code.
 */
import { z } from "zod";
import { base64ToBytes } from "../bytes/base64.ts";
import { JsonError, type JsonLimits, parseJson } from "../bytes/bounded-json.ts";
import { freeBytes } from "../bytes/free-bytes.ts";
import { sha256Hex } from "../bytes/sha256.ts";
import { headTemperatureRange, maxHeadValue } from "../limits.ts";
import { canonicalJson, labelsSchema, packNameSchema, packVersionSchema } from "../model/manifest.ts";
import { l2Normalised } from "../model/scores.ts";

/** The head format that this code reads and writes. */
export const headFormat = 1;

/** Little-endian float32, row-major, as base64. */
const matrix = z.base64();

function boundedNumber(min: number, max: number) {
  const expected = `expected ${min} to ${max}`;
  return z.number().min(min, expected).max(max, expected);
}

export const headSchema = z.strictObject({
  format: z.literal(headFormat),
  name: packNameSchema,
  /** First 16 hex digits of the SHA-256 over the canonical JSON without `version`. */
  version: packVersionSchema,
  /** The pack whose features it was trained on: another version's features mean something else. */
  backbone: z.strictObject({ name: packNameSchema, version: packVersionSchema }),
  /** logistic: multinomial logistic regression. prototype: class means, compared by cosine. */
  method: z.enum(["logistic", "prototype"]),
  labels: labelsSchema,
  feature_size: z.int().min(1).max(100_000),
  /** What is done to the features before the linear layer: l2 makes their length 1. */
  normalize: z.enum(["none", "l2"]),
  /** [classes, feature_size] */
  weights: matrix,
  /** [classes] */
  bias: z.array(boundedNumber(-maxHeadValue, maxHeadValue)).min(1),
  /** The logits are divided by it, so that the softmax is calibrated (Guo et al., 2017, section 4.2). */
  temperature: boundedNumber(headTemperatureRange.min, headTemperatureRange.max),
  /** How an image is told that is far from every class; null where the head was trained without it. */
  unknown: z
    .strictObject({
      /** [classes, feature_size], each of length 1: the class means of the normalised features. */
      centroids: matrix,
      /** Cosine to the nearest centroid below which an image counts as unknown. */
      threshold: z.number().min(-1).max(1),
    })
    .nullable(),
  /** Metrics, seed, counts: for people, never read by the Worker. */
  training: z.record(z.string(), z.unknown()),
});

/** What a head file holds. */
export type HeadFile = z.infer<typeof headSchema>;

/** A head file with its matrices as numbers. */
export interface Head {
  readonly file: HeadFile;
  /** [classes, feature_size], row-major. */
  readonly weights: Float32Array;
  /** [classes, feature_size], row-major; undefined where the head cannot tell unknown images. */
  readonly centroids: Float32Array | undefined;
}

/** What is wrong with a head file: what was found, and what was expected. */
export class HeadFormatError extends Error {}

/** Version of a head: first 16 hex digits of the SHA-256 over its canonical JSON without `version`. */
export async function headVersion(file: object): Promise<string> {
  const { version: _, ...content } = file as Record<string, unknown>;
  const bytes = new TextEncoder().encode(canonicalJson(content));
  const hash = await sha256Hex(bytes);
  freeBytes(bytes);
  return hash.slice(0, 16);
}

/** Reads a head file's bytes and checks them, its own hash included. Rejects with HeadFormatError. */
export async function parseHead(bytes: Uint8Array): Promise<Head> {
  const json = parseFile(bytes);
  checkFormat(json);
  const parsed = headSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new HeadFormatError(`${issue?.path.join(".") || "the document"}: ${issue?.message}`);
  }
  const file = parsed.data;
  const actual = await headVersion(file);
  if (actual !== file.version) {
    throw new HeadFormatError(`it says it is version ${file.version} and hashes to ${actual}`);
  }
  const classes = file.labels.length;
  if (file.bias.length !== classes) {
    throw new HeadFormatError(`bias has ${file.bias.length} numbers; expected ${classes}, one a label`);
  }
  const decode = (name: string, text: string) => decodeMatrix(name, text, classes * file.feature_size);
  const weights = decode("weights", file.weights);
  if (weights.some((weight) => Math.abs(weight) > maxHeadValue)) {
    throw new HeadFormatError(
      `weights holds a value that is out of range; expected ${-maxHeadValue} to ${maxHeadValue}`,
    );
  }
  const centroids = file.unknown ? decode("unknown.centroids", file.unknown.centroids) : undefined;
  if (centroids) checkUnitRows("unknown.centroids", centroids, file.feature_size);
  return { file, weights, centroids };
}

/** A longer row would give cosines over 1. Classes whose features cancel out have a mean of length 0. */
function checkUnitRows(name: string, values: Float32Array, size: number): void {
  for (let row = 0; row * size < values.length; row++) {
    const vector = values.subarray(row * size, (row + 1) * size);
    const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    if (length > 0 && Math.abs(length - 1) > 1e-3) {
      throw new HeadFormatError(
        `${name}: row ${row} has length ${Number(length.toPrecision(4))}; expected 1`,
      );
    }
  }
}

/**
 * Logits of a head, divided by its temperature.
 * @param features [feature_size], as the backbone pools them
 * @returns [classes]
 */
export function headLogits(head: Head, features: Float32Array): Float32Array {
  const { feature_size: size, normalize, bias, temperature } = head.file;
  const input = normalize === "l2" ? l2Normalised(features) : features;
  return Float32Array.from(
    bias,
    (offset, row) => (dotRow(head.weights, row, input, size) + offset) / temperature,
  );
}

/**
 * Cosine of an image to the nearest class mean, -1 to 1; undefined where the head cannot tell unknown images.
 * @param features [feature_size], as the backbone pools them
 */
export function nearestCosine({ file, centroids }: Head, features: Float32Array): number | undefined {
  if (!centroids) return undefined;
  const input = l2Normalised(features);
  return Math.max(...file.labels.map((_, row) => dotRow(centroids, row, input, file.feature_size)));
}

/** Row `row` of a [rows, size] matrix times a vector, in float64. */
function dotRow(values: Float32Array, row: number, vector: Float32Array, size: number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += values[row * size + i]! * vector[i]!;
  return sum;
}

/** A file of 380 classes, the most that fit maxHeadBytes, has about 1,000 commas; matrices are base64. */
const jsonLimits: JsonLimits = { maxDepth: 16, maxStructure: 20_000 };

function parseFile(bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes, jsonLimits);
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw new HeadFormatError(`it ${cause.message}`, { cause });
  }
}

function checkFormat(json: unknown): void {
  const format = json !== null && typeof json === "object" && "format" in json ? json.format : undefined;
  if (format === headFormat) return;
  throw new HeadFormatError(
    `it has format ${JSON.stringify(format)?.slice(0, 40)}; this version reads format ${headFormat}`,
  );
}

function decodeMatrix(name: string, text: string, count: number): Float32Array {
  const bytes = base64ToBytes(text);
  if (bytes?.length !== count * 4) {
    throw new HeadFormatError(`${name} has ${bytes?.length} bytes; expected ${count * 4}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const values = Float32Array.from({ length: count }, (_, i) => view.getFloat32(i * 4, true));
  freeBytes(bytes);
  if (!values.every(Number.isFinite)) throw new HeadFormatError(`${name} holds a value that is not finite`);
  return values;
}
