/** Conditional GET of a classification (RFC 9110, 13). Pure. */
import type { FunctionToApply } from "../model/scores.ts";

/** Strong: image, versions (labels and preprocessing included) and query determine every byte of the answer. */
export function classificationETag(
  imageSha256: string,
  modelVersion: string,
  topK: number,
  functionToApply: FunctionToApply,
  head?: { readonly version: string; readonly unknown: boolean },
): string {
  const byHead = head ? `-${head.version}${head.unknown ? "-unknown" : ""}` : "";
  return `"${imageSha256}-${modelVersion}-${topK}-${functionToApply}${byHead}"`;
}

/** Whether If-None-Match names `etag`: by the weak comparison, as a GET is to compare. */
export function ifNoneMatch(header: string | null | undefined, etag: string): boolean {
  if (!header) return false;
  return header.split(",").some((tag) => ["*", etag].includes(tag.trim().replace(/^W\//, "")));
}
