/**
 * The model pack's manifest: what a pack holds and how it must be fed. Pure: no I/O, no Workers types.
 * The format is described in model-shards/README.md.
 */
import { z } from "zod";
import { sha256Hex } from "../bytes/sha256.ts";
import { maxLabelChars, maxModelJsonBytes, maxShardBytes, maxShards } from "../limits.ts";

/** The manifest format that this code reads and writes. */
export const manifestFormat = 1;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 lower-case hex digits");
const fileName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, "expected a plain file name");
/** The bucket's folder of heads: no model may have this name. */
export const headsFolder = "heads";
export const packNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "expected a-z, 0-9, '.', '_', '-', beginning with a letter or digit")
  .refine(
    (name) => name !== headsFolder,
    `expected another name: ${headsFolder} is the bucket's folder of heads`,
  );
export const packVersionSchema = z.string().regex(/^[0-9a-f]{16}$/, "expected 16 lower-case hex digits");
const rgbTriple = z.tuple([z.number(), z.number(), z.number()]);
const tensorNames = z.array(z.string().min(1)).min(1);

const preprocessingSchema = z.strictObject({
  /** shortest-edge: short side to `size`, ratio kept. stretch: both sides to `size`. */
  resize: z.enum(["shortest-edge", "stretch"]),
  /** Pixels of the resized side, before the crop. */
  size: z.int().min(1).max(1024),
  /** Pixels of the centre crop's side; equals the input's height and width. */
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

export const manifestSchema = z
  .strictObject({
    format: z.literal(manifestFormat),
    name: packNameSchema,
    version: packVersionSchema,
    source: z.strictObject({
      file: z.string(),
      bytes: z.int().min(1),
      sha256,
      url: z.string().optional(),
      licence: z.string(),
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
    /** Tensor names in the last shard. Logits [1, classes], raw. Features [1, size], pooled. */
    outputs: z.strictObject({ logits: z.string().min(1), features: z.string().min(1) }),
    feature_size: z.int().min(1).max(100_000),
    precision: z.enum(["int8", "fp32"]),
    /** How the pack was quantised and how far it agrees with fp32; for people, never read by the Worker. */
    quantisation: z.record(z.string(), z.unknown()).nullable(),
    shards: z.array(shardSchema).min(1).max(maxShards),
  })
  .refine((m) => m.input.shape[2] === m.preprocessing.crop && m.input.shape[3] === m.preprocessing.crop, {
    message: "expected the input's height and width to equal preprocessing.crop",
  })
  .refine((m) => m.input.shape[0] === 1 && m.input.shape[1] === 3, {
    message: "expected input shape [1,3,H,W]",
  })
  .refine((m) => m.preprocessing.size >= m.preprocessing.crop, { message: "expected size >= crop" });

export type Manifest = z.infer<typeof manifestSchema>;
export type Preprocessing = z.infer<typeof preprocessingSchema>;
export type Shard = z.infer<typeof shardSchema>;

const labelText = z
  .string()
  .min(1, "expected a label that is not empty")
  .max(maxLabelChars, `expected at most ${maxLabelChars} characters`)
  // Labels end up in HTTP headers and in logs.
  .regex(/^\P{Cc}*$/u, "expected text without control characters")
  .refine((text) => text.isWellFormed(), "expected well-formed Unicode");

/** labels.json: entry i is class i. `id` is the WNID for ImageNet; without another id it equals the label. */
export const labelsSchema = z.array(z.strictObject({ id: labelText, label: labelText })).min(1);
/** A class of a model or of a head. */
export type Label = z.infer<typeof labelsSchema>[number];

/** current.json: the live version, and the earlier ones newest first, for rollback. */
export const currentSchema = z.object({
  format: z.literal(1),
  name: packNameSchema,
  version: packVersionSchema,
  history: z.array(z.object({ version: packVersionSchema, pushed_at: z.string() })),
});
export type Current = z.infer<typeof currentSchema>;

/** JSON with sorted keys and no white space, so that equal content has equal bytes (as RFC 8785 orders it). */
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

/** Version of a manifest: first 16 hex digits of the SHA-256 over its canonical JSON without `version`. */
export async function manifestVersion(manifest: object): Promise<string> {
  const { version: _, ...content } = manifest as Record<string, unknown>;
  return (await sha256Hex(new TextEncoder().encode(canonicalJson(content)))).slice(0, 16);
}
