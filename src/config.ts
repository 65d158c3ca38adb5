/** Env to Config: validated once per isolate, naming the variable at fault. */
import { z } from "zod";
import { ClassifierError } from "./errors.ts";
import { defaultMaxImageBytes, maxImageBytesCeiling } from "./limits.ts";
import { packNameSchema } from "./model/manifest.ts";
import type { ObjectBucket } from "./model/source.ts";

/** The bindings and variables of wrangler.toml. */
export interface Env {
  /** R2 bucket with the packs. */
  readonly MODELS: ObjectBucket;
  /** Name of the pack to serve. */
  readonly MODEL_NAME?: string;
  /** Bytes of image that a request may carry. */
  readonly MAX_IMAGE_BYTES?: string | number;
}

export interface Config {
  readonly modelName: string;
  readonly maxImageBytes: number;
}

const configSchema = z.object({
  MODEL_NAME: packNameSchema.default("resnet34-cifar10"),
  MAX_IMAGE_BYTES: z
    .union(
      [
        z.int(),
        z
          .string()
          .regex(/^\d{1,9}$/)
          .transform(Number),
      ],
      {
        error: `expected an integer from 1 to ${maxImageBytesCeiling}`,
      },
    )
    .pipe(z.int().min(1).max(maxImageBytesCeiling))
    .default(defaultMaxImageBytes),
});

/** @throws ClassifierError misconfigured, for the first variable or binding at fault */
export function readConfig(env: Env): Config {
  if (typeof env.MODELS?.get !== "function") {
    throw misconfigured("MODELS", "an R2 bucket binding ([[r2_buckets]] in wrangler.toml)");
  }
  const parsed = configSchema.safeParse({
    MODEL_NAME: env.MODEL_NAME,
    MAX_IMAGE_BYTES: env.MAX_IMAGE_BYTES,
  });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw misconfigured(String(issue?.path[0] ?? "a variable"), issue?.message ?? "another value");
  }
  return { modelName: parsed.data.MODEL_NAME, maxImageBytes: parsed.data.MAX_IMAGE_BYTES };
}

function misconfigured(variable: string, expected: string): ClassifierError {
  return new ClassifierError({
    code: "misconfigured",
    variable,
    expected: expected.replace(/^expected /, ""),
  });
}
