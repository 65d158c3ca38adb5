/** The image at a URL. An image that the server says is unchanged is not read again. */
import { conditionsFor, type SeenImages, validatorsIn } from "../../cache/seen-images.ts";
import type { Stages } from "../../classifier/request-context.ts";
import type { ImageSource } from "../../classifier/score.ts";
import type { WaitUntil } from "../../concurrency/single-flight.ts";
import { openImage, type RemoteOptions } from "../../remote/fetch-image.ts";
import { type Renditions, renditionOf } from "../../remote/renditions.ts";

export interface UrlSourceOptions extends RemoteOptions {
  /** Small renditions to fetch in place of the originals. */
  readonly renditions: Renditions;
  readonly seenImages: SeenImages;
  readonly waitUntil: WaitUntil;
}

/**
 * Asks the server of an image, and returns a source for its answer.
 * @throws ClassifierError host_not_allowed, image_unreachable, upstream_unavailable, image_too_large
 */
export async function urlSource(url: URL, options: UrlSourceOptions, stages: Stages): Promise<ImageSource> {
  const { seenImages, waitUntil, maxBytes } = options;
  const rendition = renditionOf(url, options.renditions);
  // A rendition has bytes of its own. Cloudflare makes its renditions under the URL of the original.
  const key = rendition.cfImage ? `cf ${url.href}` : rendition.url.href;
  const seen = await seenImages.get(key);
  const open = (conditions = {}) => stages.time("fetch", () => openImage(rendition, options, conditions));
  const answer = await open(conditionsFor(seen));
  const isUnchanged = answer.notModified && seen !== undefined;
  let image = answer;
  return {
    maxBytes: isUnchanged ? maxBytes : answer.expectedBytes,
    sha256: isUnchanged ? seen.sha256 : undefined,
    read: async (permit) => {
      // The result has left the cache, so the bytes are needed after all.
      if (isUnchanged) image = await open();
      return { images: [await image.read(permit)] };
    },
    remember: (sha256) => waitUntil(seenImages.put(key, { sha256, ...validatorsIn(image.headers) })),
    cancel: () => answer.cancel(),
  };
}
