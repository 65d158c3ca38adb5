/** The `quantisation` field of a manifest: for people, never read by the Worker. */
import type { Manifest } from "../../src/model/manifest.ts";
import type { Agreement } from "./evaluate.ts";
import type { ImageSet } from "./images.ts";

/** Significant digits: sums differ in the last ones from machine to machine, and the version hashes them. */
const digits = 4;

const int8Method =
  "BatchNorm folded; weights 8 bit, symmetric, per output channel; activations u8, range by least squared error weighted with 1/rms of each image; residual trunk and dense layer float32";

export function quantisationReport(
  precision: Manifest["precision"],
  images: { calibration: Pick<ImageSet, "kind" | "count">; heldOut: boolean },
  agreement: Agreement,
): Record<string, unknown> {
  const { calibration, heldOut } = images;
  return {
    method: precision === "int8" ? int8Method : "none; BatchNorm folded",
    calibration: precision === "int8" ? { kind: calibration.kind, images: calibration.count } : null,
    agreement: { held_out: precision === "fp32" || heldOut, ...(rounded(agreement) as object) },
  };
}

function rounded(value: unknown): unknown {
  if (typeof value === "number") return Number(value.toPrecision(digits));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, rounded(entry)]));
}
