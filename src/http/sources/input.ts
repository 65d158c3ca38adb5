/** What a request to classify carries, by its Content-Type: raw bytes, multipart, or JSON. */

import { freeBytes } from "../../bytes/free-bytes.ts";
import { chunksOf, tooManyBytes } from "../../bytes/read-stream.ts";
import type { Permit } from "../../concurrency/admission.ts";
import { jsonBodyFactor, maxJsonBodyBytes } from "../../limits.ts";
import { bodyBytes, bodyReading, readBody } from "./body.ts";
import { parseJsonInput } from "./json.ts";
import { readImageParts } from "./multipart.ts";

export type InputBody = { readonly images: readonly Uint8Array[] } | { readonly url: string };

export interface Input {
  /** Bytes of memory that reading the body takes at most. */
  readonly memoryBytes: number;
  /**
   * @param permit grows as the body comes
   * @throws ClassifierError image_too_large, empty_body, body_interrupted, malformed_body, too_many_images, overloaded
   */
  read(permit: Permit): Promise<InputBody>;
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
    memoryBytes: bodyBytes(request, maxImageBytes),
    read: async (permit) => ({ images: [await readBody(request, maxImageBytes, permit)] }),
  };
}

/** The limit holds for the whole body: all its images are in memory at once. */
function multipart(request: Request, contentType: string, maxBytes: number): Input {
  return {
    memoryBytes: bodyBytes(request, maxBytes),
    read: async (permit) => {
      const body = request.body as ReadableStream<Uint8Array>;
      const chunks = chunksOf(body, bodyReading(request, maxBytes, permit));
      return { images: await readImageParts(chunks, contentType) };
    },
  };
}

/** Bytes of JSON around the base64. */
const jsonFrameBytes = 4096;

function json(request: Request, maxImageBytes: number): Input {
  const maxBytes = Math.min(maxJsonBodyBytes, Math.ceil(maxImageBytes / 3) * 4 + jsonFrameBytes);
  return {
    memoryBytes: bodyBytes(request, maxBytes) * jsonBodyFactor,
    read: async (permit) => {
      const bytes = await readBody(request, maxBytes, permit);
      await permit.growTo(bytes.length * jsonBodyFactor, request.signal);
      const input = parseJsonInput(bytes);
      freeBytes(bytes);
      if ("url" in input) return input;
      const { image } = input;
      if (image.length > maxImageBytes) throw tooManyBytes(image.length, maxImageBytes);
      return { images: [image] };
    },
  };
}
