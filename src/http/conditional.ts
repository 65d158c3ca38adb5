/** Conditional GET of a classification (RFC 9110, 13). Pure. */

/** Strong: image, model version (labels and preprocessing included) and top_k determine every byte of the answer. */
export function classificationETag(imageSha256: string, modelVersion: string, topK: number): string {
  return `"${imageSha256}-${modelVersion}-${topK}"`;
}

/** Whether If-None-Match names `etag`: by the weak comparison, as a GET is to compare. */
export function ifNoneMatch(header: string | null | undefined, etag: string): boolean {
  if (!header) return false;
  return header.split(",").some((tag) => ["*", etag].includes(tag.trim().replace(/^W\//, "")));
}
