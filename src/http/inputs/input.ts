/** What a request to classify carries, by its Content-Type: raw bytes, multipart, or JSON. */
import { ClassifierError } from "../../errors.ts";
import { freeBytes } from "../../free-bytes.ts";
import { bodyIdleMs, jsonBodyFactor, maxJsonBodyBytes, minBodyBytesPerSecond } from "../../limits.ts";
import { chunksOf } from "../../read-stream.ts";
import { bodyBytes, readBody } from "../body.ts";
import { parseJsonInput } from "./json-image.ts";
import { readImageParts } from "./multipart.ts";

export type InputBody = { readonly images: readonly Uint8Array[] } | { readonly url: string };

export interface Input {
  /** Bytes that reading the body occupies at most. */
  readonly expectedBytes: number;
  /** @throws ClassifierError image_too_large, empty_body, body_interrupted, malformed_body, too_many_images */
  read(): Promise<InputBody>;
}

/**
 * Reads nothing yet. Any type but multipart/form-data and application/json counts as the bytes of an image: curl
 * sends what it likes, and the bytes tell what they are.
 * @throws ClassifierError image_too_large, empty_body
 */
export function inputOf(request: Request, maxImageBytes: number): Input {
  const contentType = request.headers.get("Content-Type") ?? "";
  const type = contentType.split(";", 1)[0]?.trim().toLowerCase();
  if (type === "multipart/form-data") return multipart(request, contentType, maxImageBytes);
  if (type === "application/json") return json(request, maxImageBytes);
  return {
    expectedBytes: bodyBytes(request, maxImageBytes),
    read: async () => ({ images: [await readBody(request, maxImageBytes)] }),
  };
}

/** The limit holds for the whole body: all its images are in memory at once. */
function multipart(request: Request, contentType: string, maxBytes: number): Input {
  return {
    expectedBytes: bodyBytes(request, maxBytes),
    read: async () => {
      const pace = { idleMs: bodyIdleMs, minBytesPerSecond: minBodyBytesPerSecond };
      const body = request.body as ReadableStream<Uint8Array>;
      return { images: await readImageParts(chunksOf(body, maxBytes, pace), contentType) };
    },
  };
}

/** Bytes of JSON around the base64. */
const jsonFrameBytes = 4096;

function json(request: Request, maxImageBytes: number): Input {
  const maxBytes = Math.min(maxJsonBodyBytes, Math.ceil(maxImageBytes / 3) * 4 + jsonFrameBytes);
  return {
    expectedBytes: bodyBytes(request, maxBytes) * jsonBodyFactor,
    read: async () => {
      const bytes = await readBody(request, maxBytes);
      const text = new TextDecoder().decode(bytes);
      freeBytes(bytes);
      const input = parseJsonInput(text);
      if ("url" in input) return input;
      const { image } = input;
      if (image.length > maxImageBytes) {
        throw new ClassifierError({
          code: "image_too_large",
          unit: "bytes",
          measured: image.length,
          limit: maxImageBytes,
        });
      }
      return { images: [image] };
    },
  };
}
