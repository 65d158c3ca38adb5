/** What the headers of an image say of it. */
import type { ClassifyAnswer } from "../../classifier/answers.ts";

/** Characters of a label in a header, before it is escaped: ImageNet's longest has 121, and headers have an end. */
const maxLabelChars = 200;

/**
 * Labels are percent-encoded (decodeURIComponent gives them back): a pack's labels may have commas, line breaks and
 * any other character. Of a longer one the first 200 characters.
 */
export function setImageHeaders(headers: Headers, { image, predictions: [top] }: ClassifyAnswer): void {
  headers.set("X-Image-Sha256", image.sha256);
  if (!top) return;
  headers.set("X-Image-Label", encodeURIComponent(beginning(top.label)));
  headers.set("X-Image-Score", String(Number(top.score.toFixed(6))));
}

/** @param code of the reason for which the image flows without labels */
export function setClassifyError(headers: Headers, code: string): void {
  headers.set("X-Image-Classify-Error", code);
}

function beginning(label: string): string {
  return Array.from(label.slice(0, 2 * maxLabelChars).toWellFormed())
    .slice(0, maxLabelChars)
    .join("");
}
