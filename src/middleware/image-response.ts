/** The headers that the middleware adds to an image, and the response that replaces a withheld image. */
import { encodeHeaderText, formatScore } from "../bytes/header-text.ts";
import type { Prediction } from "../rpc/contract.ts";

/**
 * Returns a copy of `headers` with X-Image-Label and X-Image-Score of the best prediction, or with
 * X-Image-Classify-Error. Removes any such headers of the origin.
 */
export function imageHeaders(headers: Headers, outcome: { best?: Prediction; error?: string }): Headers {
  const copy = new Headers(headers);
  for (const name of ["X-Image-Label", "X-Image-Score", "X-Image-Classify-Error"]) copy.delete(name);
  // The runtime has decoded the body and encodes it again, so its length changes.
  if (copy.has("Content-Encoding")) copy.delete("Content-Length");
  const { best, error } = outcome;
  if (best) {
    copy.set("X-Image-Label", encodeHeaderText(best.label));
    copy.set("X-Image-Score", formatScore(best.score));
  }
  if (error !== undefined) copy.set("X-Image-Classify-Error", encodeHeaderText(error));
  return copy;
}

/** Builds the 503 that replaces an image. @param reason code of the error that prevented its classification */
export function withheld(reason: string): Response {
  return problem(503, "Service Unavailable", "image_withheld", {
    detail: "The image is withheld because it could not be classified. Try again later.",
    reason,
  });
}

/** Builds a problem details response (RFC 9457) that caches do not store. */
export function problem(status: number, title: string, code: string, members: object): Response {
  const body = `${JSON.stringify({ type: "about:blank", title, status, code, ...members })}\n`;
  const headers = { "Content-Type": "application/problem+json", "Cache-Control": "no-store" };
  return new Response(body, { status, headers });
}
