/** Answers an upload of any size with a JPEG thumbnail, and its blurhash in a header. */
import { encode as encodeBlurhash } from "blurhash";
import { ClassifierError, decodeScaled } from "edge-resnet/image";
import { encode as encodeJpeg } from "jpeg-js";

const maxUploadBytes = 20_000_000;

export default {
  async fetch(request: Request): Promise<Response> {
    if (request.method !== "POST")
      return new Response("POST an image.\n", { status: 405, headers: { Allow: "POST" } });
    if (Number(request.headers.get("Content-Length")) > maxUploadBytes) return tooLarge();
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (bytes.length > maxUploadBytes) return tooLarge();
    try {
      const { width, height, data, originalSize } = await decodeScaled(bytes, {
        minWidth: 256,
        minHeight: 256,
      });
      const rgba = withAlpha(data);
      return new Response(new Uint8Array(encodeJpeg({ width, height, data: rgba }, 80).data), {
        headers: {
          "Content-Type": "image/jpeg",
          "X-Blurhash": encodeBlurhash(new Uint8ClampedArray(rgba), width, height, 4, 3),
          "X-Original-Size": `${originalSize.width}x${originalSize.height}`,
        },
      });
    } catch (error) {
      if (error instanceof ClassifierError) return new Response(`${error.message}\n`, { status: 422 });
      throw error;
    }
  },
};

function tooLarge(): Response {
  return new Response(`The upload is too large; expected at most ${maxUploadBytes} bytes.\n`, {
    status: 413,
  });
}

function withAlpha(rgb: Uint8Array | Uint8ClampedArray): Uint8Array {
  const rgba = new Uint8Array((rgb.length / 3) * 4).fill(255);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4)
    rgba.set(rgb.subarray(from, from + 3), to);
  return rgba;
}
