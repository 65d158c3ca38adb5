/** JSON bodies that carry an image as base64, or name its URL. */
import type { z } from "zod";
import { base64ToBytes } from "../../bytes/base64.ts";
import { JsonError, type JsonLimits, parseJson } from "../../bytes/bounded-json.ts";
import type { SourceContent } from "../../classifier/score.ts";
import { ClassifierError, tooManyBytes } from "../../errors.ts";

/** Such a body is an object or two with a handful of keys. The limits leave room for a clear error about other shapes. */
const jsonLimits: JsonLimits = { maxDepth: 8, maxStructure: 64 };

/** The JSON body that a route accepts. */
export interface JsonImage<T> {
  readonly schema: z.ZodType<T>;
  /** The shape that the body should have, for the error. */
  readonly expected: string;
  /** Converts the parsed body. `decode` decodes an image in base64. */
  contentOf(value: T, decode: (base64: string) => Uint8Array): SourceContent | Promise<SourceContent>;
}

/**
 * Parses a JSON body.
 * @throws ClassifierError malformed_body
 */
export function parseJsonImage<T>(bytes: Uint8Array, { schema, expected }: JsonImage<T>): T {
  const malformed = (detail: string, cause?: unknown) =>
    new ClassifierError({ code: "malformed_body", detail, expected }, { cause });
  let json: unknown;
  try {
    json = parseJson(bytes, jsonLimits);
  } catch (cause) {
    if (cause instanceof JsonError) throw malformed(`it ${cause.message}`, cause);
    throw cause;
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".");
  throw malformed(field ? `its field ${field} is wrong: ${issue?.message}` : "it is JSON of another shape");
}

/**
 * Decodes an image in base64 of the standard alphabet, with or without padding, with or without the prefix of a data: URL.
 * @param expected the shape that the body should have, for the error
 * @throws ClassifierError malformed_body, empty_body, image_too_large
 */
export function decodeBase64(text: string, maxBytes: number, expected: string): Uint8Array {
  const malformed = (detail: string) => new ClassifierError({ code: "malformed_body", detail, expected });
  const base64 = text.replace(/^data:[\w.+-]+\/[\w.+-]+;base64,/i, "");
  if (base64.length === 0) throw new ClassifierError({ code: "empty_body" });
  if (/\s/.test(base64)) throw malformed("the image has white space or line breaks in its base64");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
    throw malformed("the image is not base64 of the standard alphabet");
  const padding = base64.endsWith("=") ? "" : "=".repeat(-base64.length & 3);
  const bytes = padding.length === 3 ? undefined : base64ToBytes(base64 + padding);
  if (!bytes) throw malformed("the base64 of the image is cut short");
  if (bytes.length > maxBytes) throw tooManyBytes(bytes.length, maxBytes);
  return bytes;
}
