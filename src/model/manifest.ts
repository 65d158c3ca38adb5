/**
 * The manifest of a model pack: what a pack contains and what input it takes. model-shards/README.md describes the format.
 */
import { z } from "zod";
import { freeBytes, sha256Hex } from "../bytes/byte-arrays.ts";
import { maxModelJsonBytes, maxShardBytes } from "../limits.ts";
import { formatNumber } from "./json-file.ts";

/** The manifest format that the packer writes. The Worker also reads format 1, which has no `scores`. */
export const manifestFormat = 2;
/** Shards of one model. ResNet34 needs 6. Beyond this, the overhead of sessions outweighs what sharding saves. */
export const maxShards = 64;
/** UTF-16 code units of a label or of its id. ImageNet's longest label has 121. */
export const maxLabelChars = 256;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 lower-case hex digits");
const fileName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, "expected a plain file name");
/** The bucket's folder of heads. No model may have this name. */
export const headsFolder = "heads";
/** Schema of the name of a pack or a head. */
export const packNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "expected a-z, 0-9, '.', '_', '-', beginning with a letter or digit")
  .refine(
    (name) => name !== headsFolder,
    `expected another name: ${headsFolder} is the bucket's folder of heads`,
  );
/** Schema of the version of a pack or a head. */
export const packVersionSchema = z.string().regex(/^[0-9a-f]{16}$/, "expected 16 lower-case hex digits");
const rgbTriple = z.tuple([z.number(), z.number(), z.number()]);
const tensorNames = z.array(z.string().min(1)).min(1);

const preprocessingSchema = z.strictObject({
  /** shortest-edge: the short side becomes `size`, the ratio is kept. stretch: both sides become `size`. */
  resize: z.enum(["shortest-edge", "stretch"]),
  /** Pixels of the resized side, before the crop. */
  size: z.int().min(1).max(1024),
  /** Pixels of each side of the centre crop. Equals the input's height and width. */
  crop: z.int().min(1).max(1024),
  interpolation: z.literal("bilinear"),
  color: z.literal("RGB"),
  /** Per channel, for pixels scaled to 0..1. */
  mean: rgbTriple,
  std: rgbTriple.refine((std) => std.every((s) => s > 0), "expected values over 0"),
});

const shardSchema = z.strictObject({
  file: fileName,
  bytes: z.int().min(1).max(maxShardBytes),
  sha256,
  inputs: tensorNames,
  outputs: tensorNames,
});

const share = z.number().min(0).max(1);

/** When an answer is confident. Measured on labelled images that chose nothing else. */
export const confidentSchema = z.strictObject({
  /** An answer is confident if its highest probability is at least this. */
  threshold: share,
  /** Share of confident answers that should be right. */
  target: share,
  /** Share of confident answers that were right. */
  precision: share,
  /** Share of the images with a confident answer. */
  coverage: share,
  /** Share of images of other things with a confident answer. Null if not measured. */
  foreign: share.nullable(),
});

const unknownSchema = z.strictObject({
  /** entropy: of the calibrated probabilities, in nats. An image above the threshold belongs to none of the classes. */
  method: z.literal("entropy"),
  threshold: z.number().min(0),
  /** Share of correctly answered photographs above the threshold. */
  rejected: share,
  /** Share of photographs of other things above the threshold. Null if not measured. */
  foreign: share.nullable(),
  /** Area under the ROC curve, against photographs of other things. Null if not measured. */
  auroc: z.strictObject({ right: share, all: share }).nullable(),
});

const scoresSchema = z.strictObject({
  /** Divides the logits before the softmax, so that probabilities are calibrated (Guo et al., 2017, section 4.2). */
  temperature: z.number().min(0.01).max(100),
  /** Null if the pack was made without enough labelled photographs. */
  confident: confidentSchema.nullable(),
  unknown: unknownSchema.nullable(),
  /** Number of labelled photographs, and calibration errors, for people. The Worker does not read it. */
  evaluation: z.record(z.string(), z.unknown()).nullable(),
});

/** Schema of manifest.json. */
export const manifestSchema = z
  .strictObject({
    format: formatNumber(1, manifestFormat),
    name: packNameSchema,
    version: packVersionSchema,
    source: z.strictObject({
      file: z.string(),
      bytes: z.int().min(1),
      sha256,
      url: z.string().optional(),
      licence: z.string(),
      /** Only of a file that takes BGR. The pack takes RGB: the packer reorders the weights of the first convolution. */
      channels: z.literal("BGR").optional(),
    }),
    /** NCHW, float32. */
    input: z.strictObject({ name: z.string().min(1), shape: z.array(z.int().min(1)).length(4) }),
    preprocessing: preprocessingSchema,
    classes: z.int().min(1).max(100_000),
    labels: z.strictObject({
      file: fileName,
      bytes: z.int().min(1).max(maxModelJsonBytes, `expected at most ${maxModelJsonBytes} bytes of labels`),
      sha256,
    }),
    /** Names of tensors in the last shard. Logits [1, classes], raw. Features [1, size], pooled. */
    outputs: z.strictObject({ logits: z.string().min(1), features: z.string().min(1) }),
    feature_size: z.int().min(1).max(100_000),
    precision: z.enum(["int8", "fp32"]),
    /** How the pack was quantised and how well it agrees with fp32, for people. The Worker does not read it. */
    quantisation: z.record(z.string(), z.unknown()).nullable(),
    /** How to read the logits. Format 1 has none: temperature 1, and no measure of confidence. */
    scores: scoresSchema.optional(),
    shards: z.array(shardSchema).min(1).max(maxShards),
  })
  .refine((m) => (m.format === 1) === (m.scores === undefined), {
    message: "expected scores in format 2, and none in format 1",
  })
  .refine((m) => m.input.shape[2] === m.preprocessing.crop && m.input.shape[3] === m.preprocessing.crop, {
    message: "expected the input's height and width to equal preprocessing.crop",
  })
  .refine((m) => m.input.shape[0] === 1 && m.input.shape[1] === 3, {
    message: "expected input shape [1,3,H,W]",
  })
  .refine((m) => m.preprocessing.size >= m.preprocessing.crop, { message: "expected size >= crop" });

/** The content of manifest.json. */
export type Manifest = z.infer<typeof manifestSchema>;
/** How an image becomes the model's input. */
export type Preprocessing = z.infer<typeof preprocessingSchema>;
/** How to read the logits of a model. */
export type Scores = z.infer<typeof scoresSchema>;
/** One file of weights, a part of the graph. */
export type Shard = z.infer<typeof shardSchema>;

const labelText = z
  .string()
  .min(1, "expected a label that is not empty")
  .max(maxLabelChars, `expected at most ${maxLabelChars} characters`)
  // Labels become HTTP headers and log fields.
  .regex(/^\P{Cc}*$/u, "expected text without control characters")
  .refine((text) => text.isWellFormed(), "expected well-formed Unicode");

/**
 * Schema of labels.json: entry i is class i. `id` is the WNID for ImageNet; without another id it equals the label. `group`
 * is the heading under which lists show the class.
 */
export const labelsSchema = z
  .array(z.strictObject({ id: labelText, label: labelText, group: labelText.optional() }))
  .min(1);
/** A class of a model or of a head. */
export type Label = z.infer<typeof labelsSchema>[number];

/** Schema of current.json: the live version, and the earlier ones newest first, for rollback. */
export const currentSchema = z.object({
  format: formatNumber(1),
  name: packNameSchema,
  version: packVersionSchema,
  history: z.array(z.object({ version: packVersionSchema, pushed_at: z.string() })),
});
/** The content of current.json. */
export type Current = z.infer<typeof currentSchema>;

/** Writes JSON with sorted keys and no white space, so that equal content has equal bytes (RFC 8785 sorts the same way). */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/** Returns the version of a manifest: first 16 hex digits of the SHA-256 over its canonical JSON without `version`. */
export async function manifestVersion(manifest: object): Promise<string> {
  const { version: _, ...content } = manifest as Record<string, unknown>;
  const bytes = new TextEncoder().encode(canonicalJson(content));
  const hash = await sha256Hex(bytes);
  freeBytes(bytes);
  return hash.slice(0, 16);
}
