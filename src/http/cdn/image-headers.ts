/** The headers that /cdn/ adds to an image. */
import { encodeHeaderText, formatScore } from "../../bytes/header-text.ts";
import type { ClassifyAnswer } from "../../classifier/answers.ts";

/** Sets the hash of the image, and the label and the score of its best prediction. */
export function setImageHeaders(headers: Headers, { image, predictions: [top] }: ClassifyAnswer): void {
  headers.set("X-Image-Sha256", image.sha256);
  if (!top) return;
  headers.set("X-Image-Label", encodeHeaderText(top.label));
  headers.set("X-Image-Score", formatScore(top.score));
}

/** @param code of the error that prevents a label */
export function setClassifyError(headers: Headers, code: string): void {
  headers.set("X-Image-Classify-Error", code);
}
