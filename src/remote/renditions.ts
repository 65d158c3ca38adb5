/** Asking an image CDN for a small JPEG in place of the original, by host. Pure. */
import { z } from "zod";
import { type JsonLimits, parseJson } from "../bytes/bounded-json.ts";

/**
 * By exact host (with its port, where it is not the default): "?w=512&fm=jpg" sets query parameters; "/cdn-cgi/image/width=512{path}"
 * puts the original's path and query into another path; "cf" has Cloudflare resize (fetch's cf.image), for zones with
 * Transformations.
 */
export type Renditions = ReadonlyMap<string, string>;

const templateSchema = z.union([
  z.literal("cf"),
  z.string().regex(/^\?[^#\s]+$/),
  z.string().regex(/^\/(?![/\\])[^#\s?]*\{path\}[^#\s]*$/),
]);

const renditionsSchema = z.record(z.string().regex(/^[a-z0-9.[\]:-]+$/), templateSchema);

/** One object; two commas and colons a host. */
const jsonLimits: JsonLimits = { maxDepth: 1, maxStructure: 2000 };

/**
 * @param json a map of hosts to templates
 * @throws Error
 */
export function parseRenditions(json: string): Renditions {
  const parsed = renditionsSchema.safeParse(parseJson(new TextEncoder().encode(json || "{}"), jsonLimits));
  if (!parsed.success) throw new Error("not a map of hosts to templates");
  return new Map(Object.entries(parsed.data));
}

/** What fetch's cf.image is given: large enough that the short side of a wide picture keeps 256 pixels. */
export const cfImageOptions = {
  width: 768,
  height: 768,
  fit: "scale-down",
  format: "jpeg",
  quality: 90,
} as const;

export interface Rendition {
  readonly url: URL;
  /** Whether Cloudflare is to resize, by cfImageOptions. */
  readonly cfImage: boolean;
}

/** The address of the small rendition: always of the same host as the original's. */
export function renditionOf(original: URL, renditions: Renditions): Rendition {
  const template = renditions.get(original.host);
  if (template === undefined) return { url: original, cfImage: false };
  if (template === "cf") return { url: original, cfImage: true };
  const url = new URL(original);
  if (template.startsWith("?")) {
    for (const [name, value] of new URLSearchParams(template)) url.searchParams.set(name, value);
    return { url, cfImage: false };
  }
  // Split, not replaced: in a replacement $& and the like would have a meaning.
  const path = template.split("{path}").join(original.pathname + original.search);
  return { url: new URL(original.origin + path), cfImage: false };
}
