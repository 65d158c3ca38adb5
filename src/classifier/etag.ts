/** ETags of classifications, and conditional requests (RFC 9110, 8.8.3 and 13.1.2). */
import type { ResolvedOptions } from "./options.ts";

/** The strong ETag of a classification. Image, versions and options determine every byte of the answer. */
export function classificationETag(imageSha256: string, options: ResolvedOptions): string {
  const { pack, head, unknown, k, functionToApply } = options;
  // The version of a pack covers its labels and its preprocessing.
  const byHead = head ? `-${head.version}${unknown ? "-unknown" : ""}` : "";
  return `"${imageSha256}-${pack.manifest.version}-${k}-${functionToApply}${byHead}"`;
}

/** Whether If-None-Match names `etag`, by the weak comparison that GET requires. */
export function etagMatches(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.split(",").some((tag) => ["*", etag].includes(tag.trim().replace(/^W\//, "")));
}
