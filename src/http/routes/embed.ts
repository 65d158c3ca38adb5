/** POST /v1/embed: a JPEG in, its pooled features out. They come from the very run that classifies it. */
import type { Hono } from "hono";
import { bytesToBase64 } from "../../bytes/base64.ts";
import { answered, embeddingOf, normalisations } from "../answers.ts";
import type { AppEnv } from "../context.ts";
import { parseChoice } from "../query.ts";
import { rawImage, scoreBody } from "../score-body.ts";
import type { GetServices } from "../services.ts";

export function addEmbed(app: Hono<AppEnv>, services: GetServices): void {
  app.post("/v1/embed", async (c) => {
    const encoding = parseChoice("encoding", c.req.query("encoding"), ["float", "base64"]);
    const normalize = parseChoice("normalize", c.req.query("normalize"), normalisations);
    return scoreBody(c, services, {
      input: rawImage,
      answer: (scored) => {
        const features = embeddingOf(scored, normalize);
        const embedding = encoding === "base64" ? littleEndianBase64(features) : Array.from(features);
        return c.json({ ...answered(scored), embedding });
      },
    });
  });
}

function littleEndianBase64(values: Float32Array): string {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setFloat32(4 * i, value, true);
  return bytesToBase64(bytes);
}
