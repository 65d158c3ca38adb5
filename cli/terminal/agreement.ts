/** Prints how far a pack agrees with its source. */
import type { Agreement } from "../pack/evaluate.ts";
import { table } from "./output.ts";

/** Formats an agreement as a table of two columns. */
export function describeAgreement(agreement: Agreement): string {
  const { images, on, accuracy, changes } = agreement;
  const rows = [
    ["compared on", `${images} ${on === "synthetic" ? "synthetic pictures" : "photographs"}`],
    ["same first class", percent(agreement.top1)],
    ["first class among five", percent(agreement.top5)],
    ["mean KL", `${agreement.mean_kl.toExponential(2)} nats`],
    ["mean cosine of logits", agreement.mean_cosine.toFixed(5)],
    ["worst cosine", `${agreement.worst_cosine.toFixed(5)} (${agreement.worst_image})`],
  ];
  if (accuracy) {
    rows.push(["top-1 of the source", percent(accuracy.source_top1)]);
    rows.push(["top-1 of the pack", percent(accuracy.pack_top1)]);
    rows.push(["flips", `${accuracy.lost} right to wrong, ${accuracy.won} wrong to right`]);
  }
  if (changes) {
    rows.push(["answers changed by libjpeg's pixels", `${changes.by_libjpeg_pixels} (float32)`]);
    rows.push(["answers changed by the pack", String(changes.by_pack)]);
  }
  return table(rows);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}
