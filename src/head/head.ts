/**
 * A head: a user's own classes on the features of a pack's backbone. It is a linear layer with its labels and the record
 * of its training. The trainer (cli/head/) and the Worker score with this code.
 */
import { z } from "zod";
import type { JsonLimits } from "../bytes/bounded-json.ts";
import { base64ToBytes, freeBytes } from "../bytes/byte-arrays.ts";
import { formatNumber, invalidFile, parseFile } from "../model/json-file.ts";
import {
  confidentSchema,
  labelsSchema,
  manifestVersion,
  packNameSchema,
  packVersionSchema,
} from "../model/manifest.ts";
import { l2Normalised } from "../model/scores.ts";

/**
 * The head format that the trainer writes. The Worker also reads format 1, which detects unknown images by their features
 * and has no `confident`.
 */
export const headFormat = 2;

/** Temperatures of a head. The trainer fits 0.01 to 100. Sharper or flatter than 1000 times, every answer is the same. */
export const headTemperatureRange = { min: 1e-3, max: 1e3 } as const;
/**
 * Largest absolute value of a head's weights and biases. With 100,000 features of up to 1e20 each and the lowest
 * temperature, a logit stays below 1e34, within float32 (3.4e38).
 */
export const maxHeadValue = 1e6;
/** A file of 380 classes, the most that fit into maxHeadBytes, has about 1,000 commas; matrices are base64. */
const jsonLimits: JsonLimits = { maxDepth: 16, maxStructure: 20_000 };

/** Little-endian float32, row-major, as base64. */
const matrix = z.base64();

function boundedNumber(min: number, max: number) {
  const expected = `expected ${min} to ${max}`;
  return z.number().min(min, expected).max(max, expected);
}

const unknownSchema = z.strictObject({
  /** Number of the backbone's logits. Format 1 has none: its centroids are of features. */
  backbone_classes: z.int().min(1).max(100_000).optional(),
  /** [classes, backbone_classes], each of length 1: the class means of resemblance(). Format 1: [classes, feature_size]. */
  centroids: matrix,
  /** Cosine to the nearest centroid below which an image counts as unknown. */
  threshold: z.number().min(-1).max(1),
});

const headShape = z.strictObject({
  format: formatNumber(1, headFormat),
  name: packNameSchema,
  /** First 16 hex digits of the SHA-256 over the canonical JSON without `version`. */
  version: packVersionSchema,
  /** The pack whose features it was trained on. The features of another version have another meaning. */
  backbone: z.strictObject({ name: packNameSchema, version: packVersionSchema }),
  /** logistic: multinomial logistic regression. prototype: class means, compared by cosine. */
  method: z.enum(["logistic", "prototype"]),
  labels: labelsSchema,
  feature_size: z.int().min(1).max(100_000),
  /** How features are prepared for the linear layer: l2 scales them to length 1. */
  normalize: z.enum(["none", "l2"]),
  /** [classes, feature_size] */
  weights: matrix,
  /** [classes] */
  bias: z.array(boundedNumber(-maxHeadValue, maxHeadValue)).min(1),
  /** Divides the logits, so that the softmax is calibrated (Guo et al., 2017, section 4.2). */
  temperature: boundedNumber(headTemperatureRange.min, headTemperatureRange.max),
  /** How to detect an image that is far from every class. Null if the head was trained without it. */
  unknown: unknownSchema.nullable(),
  /** When an answer is confident, measured on held-out images. Null if no threshold reaches the target. */
  confident: confidentSchema.nullable().optional(),
  /** Metrics, seed and counts, for people. The Worker does not read them. */
  training: z.record(z.string(), z.unknown()),
});

/** Schema of a head file. */
export const headSchema = headShape
  .refine(({ format, confident }) => (format === 1) === (confident === undefined), {
    message: "expected confident in format 2, and none in format 1",
  })
  .refine(({ format, unknown }) => !unknown || (format === 1) === (unknown.backbone_classes === undefined), {
    message: "expected unknown.backbone_classes in format 2, and none in format 1",
  });

/** The content of a head file. */
export type HeadFile = z.infer<typeof headSchema>;

/** A head file with its matrices as numbers. */
export interface Head {
  readonly file: HeadFile;
  /** [classes, feature_size], row-major. */
  readonly weights: Float32Array;
  /** [classes, backbone_classes], row-major; [classes, feature_size] in format 1. Undefined without `unknown`. */
  readonly centroids: Float32Array | undefined;
}

/** Returns the version of a head: first 16 hex digits of the SHA-256 over its canonical JSON without `version`. */
export function headVersion(file: object): Promise<string> {
  return manifestVersion(file);
}

/**
 * Parses and checks a head file, including its own hash.
 * @param name the file's name, for errors
 * @throws FileError
 */
export async function parseHead(bytes: Uint8Array, name = "the head"): Promise<Head> {
  const file = parseFile(name, bytes, headSchema, jsonLimits);
  const { version, labels, feature_size: size } = file;
  const actual = await headVersion(file);
  if (actual !== version) throw invalidFile(name, `it says it is version ${version} and hashes to ${actual}`);
  if (file.bias.length !== labels.length) {
    throw invalidFile(name, `bias has ${file.bias.length} numbers; expected ${labels.length}, one per label`);
  }
  const decode = (field: string, text: string, size: number): Float32Array => {
    const bytes = base64ToBytes(text);
    const expected = labels.length * size * 4;
    if (bytes?.length !== expected) {
      throw invalidFile(name, `${field} has ${bytes?.length} bytes; expected ${expected}`);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const values = Float32Array.from({ length: expected / 4 }, (_, i) => view.getFloat32(i * 4, true));
    freeBytes(bytes);
    if (!values.every(Number.isFinite)) throw invalidFile(name, `${field} has a value that is not finite`);
    return values;
  };
  const weights = decode("weights", file.weights, size);
  if (weights.some((weight) => Math.abs(weight) > maxHeadValue)) {
    throw invalidFile(name, `weights has a value out of range; expected ${-maxHeadValue} to ${maxHeadValue}`);
  }
  const centroidSize = file.unknown?.backbone_classes ?? size;
  const centroids = file.unknown
    ? decode("unknown.centroids", file.unknown.centroids, centroidSize)
    : undefined;
  if (centroids) checkUnitRows(name, centroids, centroidSize);
  return { file, weights, centroids };
}

/** Checks that each row has length 1, or 0 as the mean of vectors that cancel out. Longer rows give cosines above 1. */
function checkUnitRows(name: string, centroids: Float32Array, size: number): void {
  for (let row = 0; row * size < centroids.length; row++) {
    const length = Math.sqrt(dotRow(centroids, row, centroids.subarray(row * size), size));
    if (length > 0 && Math.abs(length - 1) > 1e-3) {
      const measured = Number(length.toPrecision(4));
      throw invalidFile(name, `unknown.centroids: row ${row} has length ${measured}; expected 1`);
    }
  }
}

/** What the backbone computes for one image. */
export interface BackboneOutput {
  /** [feature_size], as the backbone pools them. */
  readonly features: Float32Array;
  /** [backbone_classes], raw. */
  readonly logits: Float32Array;
}

/** Returns the logits of a head, [classes], divided by its temperature. */
export function headLogits({ file, weights }: Head, features: Float32Array): Float32Array {
  const { feature_size: size, normalize, bias, temperature } = file;
  const input = normalize === "l2" ? l2Normalised(features) : features;
  return Float32Array.from(bias, (offset, row) => (dotRow(weights, row, input, size) + offset) / temperature);
}

/** Returns the cosine to the nearest class mean, -1 to 1. Undefined if the head cannot detect unknown images. */
export function nearestCosine({ file, centroids }: Head, output: BackboneOutput): number | undefined {
  if (!centroids) return undefined;
  const image = file.format === 1 ? l2Normalised(output.features) : resemblance(output.logits);
  return Math.max(...file.labels.map((_, row) => dotRow(centroids, row, image, image.length)));
}

/**
 * Returns which of the backbone's classes an image resembles: the logits above their mean, less that mean, scaled to
 * length 1. Class means of this tell foreign images better than class means of features, which also hold what matters to
 * no class.
 */
export function resemblance(logits: Float32Array): Float32Array {
  const mean = logits.reduce((sum, logit) => sum + logit, 0) / logits.length;
  return l2Normalised(Float64Array.from(logits, (logit) => Math.max(0, logit - mean)));
}

/** Row `row` of a [rows, size] matrix times a vector, in float64. */
function dotRow(values: Float32Array, row: number, vector: Float32Array, size: number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += values[row * size + i]! * vector[i]!;
  return sum;
}
