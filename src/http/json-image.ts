/** An image as base64 in a JSON body, with what else the body says. */
import { z } from "zod";
import { base64ToBytes } from "../bytes/base64.ts";
import { JsonError, type JsonLimits, parseJson } from "../bytes/bounded-json.ts";
import { freeBytes } from "../bytes/free-bytes.ts";
import { tooManyBytes } from "../bytes/read-stream.ts";
import { ClassifierError } from "../errors.ts";
import { jsonBodyFactor, maxJsonBodyBytes } from "../limits.ts";
import type { ImageInput } from "./score-body.ts";
import { bodyBytes, readBody } from "./sources/body.ts";

/** Hugging Face's clients send two objects with a handful of keys. */
const jsonLimits: JsonLimits = { maxDepth: 8, maxStructure: 64 };

/** Hugging Face's shape. Numbers and words are checked where those of a query are. */
const schema = z.object({
  inputs: z.string({ error: "expected the image as base64" }),
  parameters: z
    .object({
      top_k: z.union([z.number(), z.string()], { error: "expected an integer of at least 1" }).nullish(),
      function_to_apply: z.string({ error: "expected a word" }).nullish(),
    })
    .nullish(),
});

export interface ImageParameters {
  readonly topK: string | undefined;
  readonly functionToApply: string | undefined;
}

export function isJson(request: Request): boolean {
  return /^application\/json\s*(;|$)/i.test(request.headers.get("Content-Type") ?? "");
}

/**
 * Reads `{inputs: base64, parameters}`.
 * @param onParameters told before the image is scored; may throw ClassifierError
 */
export function jsonImage(onParameters: (parameters: ImageParameters) => void): ImageInput {
  return {
    memoryBytes: (request, maxImageBytes) => jsonBodyFactor * bodyBytes(request, maxBodyBytes(maxImageBytes)),
    read: async (request, maxImageBytes, permit) => {
      const body = await readBody(request, maxBodyBytes(maxImageBytes), permit);
      await permit.growTo(body.length * jsonBodyFactor, request.signal);
      const { inputs, parameters } = parse(body);
      freeBytes(body);
      onParameters({
        topK: parameters?.top_k == null ? undefined : String(parameters.top_k),
        functionToApply: parameters?.function_to_apply ?? undefined,
      });
      const bytes = base64ToBytes(inputs.replace(/^data:[\w.+-]+\/[\w.+-]+;base64,/, ""));
      if (!bytes) throw invalid("inputs", inputs.slice(0, 100), "base64 without white space");
      if (bytes.length === 0) throw new ClassifierError({ code: "empty_body" });
      if (bytes.length > maxImageBytes) throw tooManyBytes(bytes.length, maxImageBytes);
      return bytes;
    },
  };
}

/** The largest image in base64, and some room for what stands around it. */
function maxBodyBytes(maxImageBytes: number): number {
  return Math.min(maxJsonBodyBytes, 4 * Math.ceil(maxImageBytes / 3) + 1024);
}

function parse(body: Uint8Array): z.infer<typeof schema> {
  const beginning = () => new TextDecoder().decode(body.subarray(0, 100));
  const parsed = schema.safeParse(parseBody(body, beginning));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const parameter = issue?.path.join(".") || "body";
  throw invalid(parameter, beginning(), issue?.message.replace(/^expected /, "") ?? "another value");
}

function parseBody(body: Uint8Array, beginning: () => string): unknown {
  try {
    return parseJson(body, jsonLimits);
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw invalid("body", beginning(), `JSON, {inputs: base64, parameters?}; the body ${cause.message}`);
  }
}

function invalid(parameter: string, value: string, expected: string): ClassifierError {
  return new ClassifierError({ code: "invalid_parameter", parameter, value, expected });
}
