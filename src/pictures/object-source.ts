/** An object of the bucket as an image source. */
import { hexOf } from "../bytes/byte-arrays.ts";
import { readStream, type StreamFault } from "../bytes/read-stream.ts";
import type { ImageSource } from "../classifier/score.ts";
import { imageTooLarge } from "../errors.ts";
import type { PictureBucket, StoredObject } from "./bindings.ts";
import { picturesUnavailable, reach } from "./unavailable.ts";

/** R2 delivers 16 MiB in well under a second. */
const pace = { idleMs: 10_000, minBytesPerSecond: 128 * 1024 };

/** The object was deleted or replaced since its metadata was read. */
export class ObjectChanged extends Error {
  override readonly name = "ObjectChanged";

  constructor(key: string) {
    super(`the object ${key} has changed; read its metadata again`);
  }
}

/**
 * Returns a source for the bytes of one version of an object.
 * @param object its metadata; reading throws ObjectChanged if the bucket has another version
 * @throws ClassifierError image_too_large, from the metadata alone
 */
export function objectSource(bucket: PictureBucket, object: StoredObject, maxBytes: number): ImageSource {
  const { key, etag, size, checksums } = object;
  if (size > maxBytes) throw imageTooLarge("bytes", size, maxBytes);
  return {
    maxBytes: size,
    sha256: checksums.sha256 && hexOf(new Uint8Array(checksums.sha256)),
    read: async (room, signal) => {
      const found = await reach("reading the object", () =>
        bucket.get(key, { onlyIf: { etagMatches: etag } }),
      );
      if (!found || !("body" in found)) throw new ObjectChanged(key);
      const reading = { maxBytes: size, expectedBytes: size, pace, room, signal, errorOf };
      return { images: [await readStream(found.body, reading)] };
    },
  };
}

function errorOf(fault: StreamFault): Error {
  if (fault.kind === "too_large")
    return picturesUnavailable("the object has more bytes than its metadata says");
  return picturesUnavailable(`the object broke off: ${fault.detail}`, fault.cause);
}
