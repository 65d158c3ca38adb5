/** The images in a request body: raw bytes, multipart, or JSON, by the Content-Type. */
import { z } from "zod";
import { chunksOf } from "../../bytes/read-stream.ts";
import type { ImageSource } from "../../classifier/score.ts";
import { bodyOf, readBody } from "./body.ts";
import { isJson, jsonSource } from "./json.ts";
import { readImageParts } from "./multipart.ts";

/** The JSON body of POST /v1/classify. */
export const classifyBodySchema = z.union([
  z.strictObject({ image: z.string().describe("A JPEG in base64.") }),
  z.strictObject({ url: z.string().describe("An https URL on a host of ALLOWED_IMAGE_HOSTS.") }),
]);

/**
 * A source for the images of a request. Any type but multipart/form-data and application/json counts as the bytes of one
 * image, because clients send all kinds of types; the bytes tell the format.
 * @param openUrl opens the image at a URL that a JSON body names
 * @throws ClassifierError image_too_large, empty_body
 */
export function requestSource(
  request: Request,
  maxImageBytes: number,
  openUrl: (url: string) => Promise<ImageSource>,
): ImageSource {
  if (isJson(request)) {
    return jsonSource(request, maxImageBytes, {
      schema: classifyBodySchema,
      expected: '{"image": a JPEG in base64} or {"url": the URL of an image}',
      contentOf: async (body, decode) =>
        "url" in body ? { source: await openUrl(body.url) } : { images: [decode(body.image)] },
    });
  }
  const contentType = request.headers.get("Content-Type") ?? "";
  if (/^multipart\/form-data\s*(;|$)/i.test(contentType.trim())) {
    return multipartSource(request, contentType, maxImageBytes);
  }
  return rawSource(request, maxImageBytes);
}

/**
 * A source for a body that is the bytes of one image.
 * @throws ClassifierError image_too_large, empty_body
 */
export function rawSource(request: Request, maxImageBytes: number): ImageSource {
  const body = bodyOf(request, maxImageBytes);
  return {
    maxBytes: body.maxBytes,
    read: async (permit) => ({ images: [await readBody(body, permit)] }),
  };
}

/** The limit applies to the whole body, because all its images are in memory at once. */
function multipartSource(request: Request, contentType: string, maxBytes: number): ImageSource {
  const body = bodyOf(request, maxBytes);
  return {
    maxBytes: body.maxBytes,
    read: async (permit) => {
      const chunks = chunksOf(body.stream, { ...body.reading, room: permit });
      return { images: await readImageParts(chunks, contentType) };
    },
  };
}
