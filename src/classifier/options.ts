/** The options of a classification: their schemas, which also document them, and their check against a model. */
import { z } from "zod";
import { ClassifierError } from "../errors.ts";
import type { Head } from "../head/head.ts";
import type { HeadStore } from "../head/head-store.ts";
import { packNameSchema } from "../model/manifest.ts";
import type { Pack } from "../model/pack.ts";
import { type FunctionToApply, functionsToApply } from "../model/scores.ts";

/** Predictions returned when the caller does not say. */
const defaultTopK = 5;

/** One of a few words, with an error that lists them. */
export function oneOf<const T extends readonly [string, ...string[]]>(words: T) {
  return z.enum(words, { error: words.join(" or ") });
}

const topKError = "an integer of at least 1";

/** Name of a head, as callers give it. */
export const headParameter = packNameSchema
  .optional()
  .describe("Head whose classes to predict. Default: the model's own classes.");

/** Query parameters of a classification without a head. The number of classes bounds `top_k` further. */
export const scoresQuerySchema = z.object({
  top_k: z
    .string()
    .regex(/^\d{1,9}$/, { error: topKError })
    .transform(Number)
    .pipe(z.int().min(1, { error: topKError }))
    .optional()
    .describe(`Number of predictions: 1 to the number of classes. Default: ${defaultTopK}.`),
  function_to_apply: oneOf(functionsToApply).optional().describe("Default: softmax."),
});

/** Query parameters of a classification. */
export const classifyQuerySchema = scoresQuerySchema.extend({
  head: headParameter,
  unknown: oneOf(["true", "false"])
    .optional()
    .describe("Also tells whether the image belongs to none of the classes. Default: false."),
});

/** Options as requested, the defaults not yet filled in. They hold for any model. */
export type RequestedOptions = Partial<z.infer<typeof classifyQuerySchema>>;

/** A model or a head, as answers name it. */
export interface Named {
  readonly name: string;
  readonly version: string;
}

/** Returns name and version of a pack. */
export function modelOf({ manifest: { name, version } }: Pack): Named {
  return { name, version };
}

/** Returns name and version of a head. */
export function headOf({ file: { name, version } }: Head): Named {
  return { name, version };
}

/** Options checked against one pack. They hold for the scores of that pack alone. */
export interface ResolvedOptions {
  readonly pack: Pack;
  /** The live head, by name and version. Its weights are not held here: a request may wait long. */
  readonly head: Named | undefined;
  readonly unknown: boolean;
  /** Number of predictions. */
  readonly k: number;
  readonly functionToApply: FunctionToApply;
}

/**
 * Parses the parameters of a query, or of RPC options in their place.
 * @throws ClassifierError invalid_parameter
 */
export function parseParameters<T extends z.ZodObject>(
  schema: T,
  values: Readonly<Record<string, string | undefined>>,
): z.infer<T> {
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const parameter = String(issue?.path[0] ?? "a parameter");
  const value = values[parameter] ?? "";
  const expected = (issue?.message ?? "another value").replace(/^expected /, "");
  throw invalidParameter(parameter, value, expected, {
    ...(issue?.code === "too_small" && { measured: Number(value), limit: Number(issue.minimum) }),
  });
}

/**
 * Finds the head and checks the options against its classes, or the model's.
 * @throws ClassifierError invalid_parameter, unknown_head, head_mismatch, head_unavailable
 */
export async function resolveOptions(
  requested: RequestedOptions,
  pack: Pack,
  heads: HeadStore,
): Promise<ResolvedOptions> {
  const unknown = requested.unknown === "true";
  const head = requested.head === undefined ? undefined : await heads.head(requested.head, pack);
  if (unknown && !(head ? head.file.unknown : pack.manifest.scores?.unknown)) {
    const { name, version } = head?.file ?? pack.manifest;
    const expected = `false: the ${head ? "head" : "model"} ${name} ${version} was made without a measure of unknown images`;
    throw invalidParameter("unknown", "true", expected);
  }
  const classes = head ? head.file.labels.length : pack.manifest.classes;
  const k = requested.top_k ?? Math.min(defaultTopK, classes);
  if (k > classes) {
    const expected = `an integer from 1 to ${classes}, the number of classes`;
    throw invalidParameter("top_k", String(k), expected, { measured: k, limit: classes });
  }
  const functionToApply = requested.function_to_apply ?? "softmax";
  return { pack, head: head && headOf(head), unknown, k, functionToApply };
}

function invalidParameter(
  parameter: string,
  value: string,
  expected: string,
  range: { measured?: number; limit?: number } = {},
): ClassifierError {
  return new ClassifierError({ code: "invalid_parameter", parameter, value, expected, ...range });
}
