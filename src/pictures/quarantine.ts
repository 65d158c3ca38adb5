/** Moves objects that may not stay public: a copy under another prefix, then a delete. */
import { sha256Hex } from "../bytes/byte-arrays.ts";
import type { Prediction } from "../model/scores.ts";
import type { PictureBucket, StoredObject } from "./bindings.ts";
import { ObjectChanged } from "./object-source.ts";
import type { Labelled, Unlabelled } from "./picture-store.ts";
import { picturesUnavailable, reach } from "./unavailable.ts";

/** Which objects move, and where to. */
export interface QuarantineRules {
  /** Prefix of the keys of moved objects, such as `quarantine/`. */
  readonly prefix: string;
  /** Labels whose pictures move, in lower case. */
  readonly labels: readonly string[];
  /** Whether objects that cannot be classified move. */
  readonly unreadable: boolean;
}

/** Whether an object belongs into quarantine. */
export function isBlocked(rules: QuarantineRules, outcome: Labelled | Unlabelled): boolean {
  if ("code" in outcome) return rules.unreadable;
  const best: Prediction | undefined = outcome.predictions[0];
  return best !== undefined && rules.labels.includes(best.label.toLowerCase());
}

/**
 * Copies one version of an object into quarantine. The copy's key contains the etag, so that a second upload under the same
 * name does not replace the first copy, and a second attempt writes the same object.
 * @param imageSha256 of the bytes that were scored: R2 refuses the copy if its bytes have another hash
 * @throws ObjectChanged if the bucket has another version
 * @throws ClassifierError pictures_unavailable
 */
export async function copyToQuarantine(
  bucket: PictureBucket,
  { key, etag, size }: StoredObject,
  { prefix }: QuarantineRules,
  imageSha256: string | undefined,
): Promise<StoredObject> {
  const original = await reach("reading the object", () =>
    bucket.get(key, { onlyIf: { etagMatches: etag } }),
  );
  if (!original || !("body" in original)) throw new ObjectChanged(key);
  const { httpMetadata, customMetadata } = original;
  const copy = await bucket
    .put(await quarantineKey(prefix, etag, key), original.body, {
      ...(imageSha256 && { sha256: imageSha256 }),
      ...(httpMetadata && { httpMetadata }),
      ...(customMetadata && { customMetadata }),
    })
    .catch((cause: unknown) => {
      throw picturesUnavailable("copying the object into quarantine failed", cause);
    });
  // The etag of a multipart upload is not the MD5 of its bytes and contains a hyphen. The copy then has another one.
  const isSame = copy && copy.size === size && (etag.includes("-") || copy.etag === etag);
  if (!isSame) throw picturesUnavailable("the copy in quarantine differs from the object");
  return copy;
}

/** R2 limits keys to 1,024 bytes. */
const maxKeyBytes = 1024;

/** Returns the key of a copy. A long key is hashed: otherwise a picture could stay public because its key is long. */
async function quarantineKey(prefix: string, etag: string, key: string): Promise<string> {
  const copyKey = `${prefix}${etag}/${key}`;
  const encoder = new TextEncoder();
  if (encoder.encode(copyKey).length <= maxKeyBytes) return copyKey;
  return `${prefix}${etag}/${await sha256Hex(encoder.encode(key))}`;
}

/**
 * Deletes an object that was copied, if the bucket still has the version with this etag. R2 has no conditional delete: an
 * upload under the same key between the check and the delete is lost.
 */
export async function deleteCopied(bucket: PictureBucket, { key, etag }: StoredObject): Promise<void> {
  const current = await reach("reading the object's metadata", () => bucket.head(key));
  if (current?.etag !== etag) return;
  await reach("deleting the object", () => bucket.delete(key));
}
