/** JSON bodies that carry an image as base64, or name its URL. */
import type { z } from "zod";
import { base64ToBytes } from "../../bytes/base64.ts";
import { JsonError, type JsonLimits, parseJson } from "../../bytes/bounded-json.ts";
import { freeBytes } from "../../bytes/free-bytes.ts";
import type { ImageSource, SourceContent } from "../../classifier/score.ts";
import { ClassifierError, tooManyBytes } from "../../errors.ts";
import { jsonBodyFactor, maxJsonBodyBytes } from "../../limits.ts";
import { bodyOf, readBody } from "./body.ts";

/** Such a body is an object or two with a handful of keys. The limits leave room for a clear error about other shapes. */
const jsonLimits: JsonLimits = { maxDepth: 8, maxStructure: 64 };
/** Bytes of JSON around the base64. */
const frameBytes = 4096;

/** A JSON body and what it may hold. */
export interface JsonImage<T> {
  readonly schema: z.ZodType<T>;
  /** The shape that the body should have, for the error. */
  readonly expected: string;
  /** Converts the parsed body. Call `decode` for an image in base64. */
  readonly contentOf: (
    value: T,
    decode: (base64: string) => Uint8Array,
  ) => SourceContent | Promise<SourceContent>;
}

/**
 * A source that reads an image from a JSON body.
 * @throws ClassifierError image_too_large, empty_body
 */
export function jsonSource<T>(request: Request, maxImageBytes: number, image: JsonImage<T>): ImageSource {
  const limit = Math.min(maxJsonBodyBytes, Math.ceil(maxImageBytes / 3) * 4 + frameBytes);
  const body = bodyOf(request, limit);
  const { expected } = image;
  const decode = (base64: string) => {
    const bytes = decodeBase64(base64, expected);
    if (bytes.length > maxImageBytes) throw tooManyBytes(bytes.length, maxImageBytes);
    return bytes;
  };
  return {
    maxBytes: body.maxBytes * jsonBodyFactor,
    read: async (permit, signal) => {
      const bytes = await readBody(body, permit);
      let value: T;
      try {
        await permit.growTo(bytes.length * jsonBodyFactor, signal);
        value = parse(bytes, image);
      } finally {
        freeBytes(bytes);
      }
      return image.contentOf(value, decode);
    },
  };
}

/** Whether the body of a request is JSON, by its Content-Type. */
export function isJson(request: Request): boolean {
  return /^application\/json\s*(;|$)/i.test(request.headers.get("Content-Type") ?? "");
}

/**
 * Decodes base64 of the standard alphabet, with or without padding, with or without the prefix of a data: URL.
 * @throws ClassifierError malformed_body, empty_body
 */
export function decodeBase64(text: string, expected: string): Uint8Array {
  const malformed = (detail: string) => new ClassifierError({ code: "malformed_body", detail, expected });
  const base64 = text.replace(/^data:[\w.+-]+\/[\w.+-]+;base64,/i, "");
  if (base64.length === 0) throw new ClassifierError({ code: "empty_body" });
  if (/\s/.test(base64)) throw malformed("the image has white space or line breaks in its base64");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
    throw malformed("the image is not base64 of the standard alphabet");
  const padding = base64.endsWith("=") ? "" : "=".repeat(-base64.length & 3);
  const bytes = padding.length === 3 ? undefined : base64ToBytes(base64 + padding);
  if (!bytes) throw malformed("the base64 of the image is cut short");
  return bytes;
}

function parse<T>(bytes: Uint8Array, { schema, expected }: JsonImage<T>): T {
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
