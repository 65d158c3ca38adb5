/** What the headers of an image say of it. */
import type { ClassifyAnswer } from "../answers.ts";

/**
 * Labels are percent-encoded (decodeURIComponent gives them back): a pack's labels may have commas, line breaks and
 * any other character.
 */
export function setImageHeaders(headers: Headers, { image, predictions: [top] }: ClassifyAnswer): void {
  headers.set("X-Image-Sha256", image.sha256);
  if (!top) return;
  headers.set("X-Image-Label", encodeURIComponent(top.label.toWellFormed()));
  headers.set("X-Image-Score", String(Number(top.score.toFixed(6))));
}

/** @param code of the reason for which the image flows without labels */
export function setClassifyError(headers: Headers, code: string): void {
  headers.set("X-Image-Classify-Error", code);
}
