/** A small JPEG of an object, through the decoder that classification uses. */
import { freeBytes } from "../bytes/byte-arrays.ts";
import type { Classifier } from "../classifier/classifier.ts";
import type { Admission } from "../concurrency/admission.ts";
import { ClassifierError } from "../errors.ts";
import { planImage } from "../image/decode.ts";
import { encodeJpeg } from "../image/jpeg/encode.ts";
import { uprightSize } from "../image/orientation.ts";
import type { Size } from "../image/rgb-image.ts";
import { decodeScaled } from "../image/scaled.ts";
import { decodeLimits, firstReadBytes, requestOverheadBytes } from "../limits.ts";
import type { PictureBucket, StoredObject } from "./bindings.ts";
import { objectSource } from "./object-source.ts";

/** JPEG quality, as libjpeg counts it. */
const quality = 80;

/** What a thumbnail is made with. */
export interface ThumbnailOptions {
  readonly bucket: PictureBucket;
  readonly classifier: Classifier;
  readonly admission: Admission;
  readonly maxImageBytes: number;
}

/**
 * Returns a JPEG, upright, whose longer side has at most `size` pixels.
 * @throws ObjectChanged if the bucket has another version of the object
 * @throws ClassifierError empty_body, unsupported_image, image_undecodable, image_too_large, overloaded, pictures_unavailable
 */
export async function makeThumbnail(
  object: StoredObject,
  size: number,
  { bucket, classifier, admission, maxImageBytes }: ThumbnailOptions,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const source = objectSource(bucket, object, maxImageBytes);
  const demand = { bytes: firstReadBytes, maxBytes: source.maxBytes + requestOverheadBytes };
  const permit = await admission.acquire(demand, signal);
  try {
    const content = await source.read(permit, signal);
    const bytes = "images" in content ? content.images[0] : undefined;
    if (!bytes?.length) throw new ClassifierError({ code: "empty_body" });
    await permit.growTo(bytes.length + requestOverheadBytes, signal);
    try {
      const image = await classifier.decodeAlone(() => decodeScaled(bytes, fitInto(bytes, size)));
      return encodeJpeg(image, quality);
    } finally {
      freeBytes(bytes);
    }
  } finally {
    permit.release();
  }
}

/** Returns options with which the longer side gets `size` pixels. With two minima the shorter side would. */
function fitInto(bytes: Uint8Array, size: number) {
  const scaled = (full: Size) => {
    const share = Math.min(1, size / Math.max(full.width, full.height));
    return { width: full.width * share, height: full.height * share };
  };
  const { fullSize, orientation } = planImage(bytes, scaled, decodeLimits);
  const { width, height } = uprightSize(fullSize, orientation);
  return width >= height ? { minWidth: size, minHeight: 1 } : { minWidth: 1, minHeight: size };
}
