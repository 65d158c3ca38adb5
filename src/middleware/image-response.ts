/** Headers that tell what an image shows, and the answer in the place of one that is withheld. Pure. */
import type { Prediction } from "../rpc/contract.ts";

/** Characters of a label in a header, before it is escaped. */
const maxLabelChars = 200;

/**
 * A copy of `headers` for an image that has been read: what it says of labels is ours, or nothing; an origin's is dropped.
 * The label is printable ASCII with the rest percent-encoded, so that `decodeURIComponent` gives it back.
 */
export function imageHeaders(headers: Headers, outcome: { best?: Prediction; error?: string }): Headers {
  const copy = new Headers(headers);
  for (const name of ["X-Image-Label", "X-Image-Score", "X-Image-Classify-Error"]) copy.delete(name);
  // The body that we pass on is decoded; it is encoded anew, to another length.
  if (copy.has("Content-Encoding")) copy.delete("Content-Length");
  const { best, error } = outcome;
  if (best) {
    copy.set("X-Image-Label", headerText(best.label));
    copy.set("X-Image-Score", best.score.toFixed(4));
  }
  if (error !== undefined) copy.set("X-Image-Classify-Error", headerText(error));
  return copy;
}

/** @param reason why it could not be classified */
export function withheld(reason: string): Response {
  return problem(503, "Service Unavailable", "image_withheld", {
    detail: "The image could not be classified, and is withheld.",
    reason,
  });
}

/** A problem of RFC 9457 that no cache keeps. */
export function problem(status: number, title: string, code: string, members: object): Response {
  const body = `${JSON.stringify({ type: "about:blank", title, status, code, ...members })}\n`;
  const headers = { "Content-Type": "application/problem+json", "Cache-Control": "no-store" };
  return new Response(body, { status, headers });
}

/** Printable ASCII but `%`; line breaks, control characters and the rest are percent-encoded UTF-8. */
function headerText(text: string): string {
  const whole = Array.from(text.toWellFormed()).slice(0, maxLabelChars).join("");
  return whole.replace(/[^ -$&-~]/gu, encodeURIComponent).trim();
}
