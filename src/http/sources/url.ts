/** The image at a URL. An image that the server says is unchanged is not read again. */
import { conditionsFor, type SeenImages, validatorsIn } from "../../cache/seen-images.ts";
import type { Stages } from "../../classifier/classifier.ts";
import type { ImageSource } from "../../classifier/score.ts";
import type { WaitUntil } from "../../concurrency/shared-work.ts";
import { openImage, parseImageUrl, type RemoteOptions, refuseLoop } from "../../remote/fetch-image.ts";
import { type Rendition, renditionOf } from "../../remote/renditions.ts";
import type { Services } from "../context.ts";

/** What is needed to fetch an image and to remember it. */
export interface UrlSourceOptions extends RemoteOptions {
  readonly seenImages: SeenImages;
  readonly waitUntil: WaitUntil;
}

/**
 * Asks the server of an image that a caller names, and returns a source for its answer. Asks for a small rendition where
 * the deployment configures one for the host.
 * @param requestHeaders of the caller's request
 * @throws ClassifierError invalid_parameter, loop_detected, and what `urlSource` throws
 */
export async function callerUrlSource(
  value: string,
  requestHeaders: Headers,
  { config, seenImages, waitUntil }: Services,
  stages: Stages,
): Promise<ImageSource> {
  refuseLoop(requestHeaders);
  const { allowedImageHosts: hosts, imageRenditions, maxImageBytes: maxBytes } = config;
  const rendition = renditionOf(parseImageUrl(value), imageRenditions);
  return urlSource(rendition, { hosts, maxBytes, seenImages, waitUntil }, stages);
}

/**
 * Asks the server of an image, and returns a source for its answer.
 * @throws ClassifierError host_not_allowed, image_unreachable, upstream_unavailable, image_too_large
 */
export async function urlSource(
  rendition: Rendition,
  options: UrlSourceOptions,
  stages: Stages,
): Promise<ImageSource> {
  const { seenImages, waitUntil, maxBytes } = options;
  // A rendition has bytes of its own. Cloudflare makes its renditions under the URL of the original.
  const key = rendition.cfImage ? `cf ${rendition.url.href}` : rendition.url.href;
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
