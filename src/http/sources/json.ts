/** application/json with an image as base64, or with the URL of one. */
import { z } from "zod";
import { base64ToBytes } from "../../bytes/base64.ts";
import { JsonError, type JsonLimits, parseJson } from "../../bytes/bounded-json.ts";
import { ClassifierError } from "../../errors.ts";

const expected = '{"image": base64 of a JPEG} or {"url": address of an image}';

const bodySchema = z.union([z.strictObject({ image: z.string() }), z.strictObject({ url: z.string() })]);

export type JsonInput = { readonly image: Uint8Array } | { readonly url: string };

/** The body is one object with one string: braces and a colon. The rest lets a body of another shape be told so. */
const jsonLimits: JsonLimits = { maxDepth: 8, maxStructure: 64 };

/**
 * @param body UTF-8
 * @throws ClassifierError malformed_body, empty_body
 */
export function parseJsonInput(body: Uint8Array): JsonInput {
  const parsed = bodySchema.safeParse(parseBody(body));
  if (!parsed.success) throw malformed("it is JSON of another shape");
  if ("url" in parsed.data) return parsed.data;
  return { image: decodeBase64(parsed.data.image) };
}

/**
 * Base64 of the standard alphabet, with or without padding.
 * @throws ClassifierError malformed_body, empty_body
 */
export function decodeBase64(text: string): Uint8Array {
  if (text.length === 0) throw new ClassifierError({ code: "empty_body" });
  if (/^data:/i.test(text))
    throw malformed("image is a data: URL, of which only the part after the comma is base64");
  if (/\s/.test(text)) throw malformed("image has white space or line breaks in its base64");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw malformed("image is not base64 of the standard alphabet");
  const missing = text.endsWith("=") ? "" : "=".repeat(-text.length & 3);
  const bytes = missing.length === 3 ? undefined : base64ToBytes(text + missing);
  if (!bytes) throw malformed("image is base64 that has been cut short");
  return bytes;
}

function parseBody(body: Uint8Array): unknown {
  try {
    return parseJson(body, jsonLimits);
  } catch (cause) {
    if (cause instanceof JsonError) throw malformed(`it ${cause.message}`, cause);
    throw cause;
  }
}

function malformed(detail: string, cause?: unknown): ClassifierError {
  return new ClassifierError({ code: "malformed_body", detail, expected }, { cause });
}
