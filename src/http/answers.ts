/** What a forward pass becomes on the wire, whether asked for by HTTP or by RPC. */
import type { Scored } from "../classify.ts";
import { applyFunction, type FunctionToApply, l2Normalised, type Prediction, topK } from "../model/scores.ts";
import { modelOf } from "./services.ts";

export interface Answered {
  readonly model: { readonly name: string; readonly version: string };
  /** Width and height in pixels, as the image was sent. */
  readonly image: { readonly sha256: string; readonly width: number; readonly height: number };
}

/** How an answer names the model and the image that it is about. */
export function answered({ pack, imageSha256, result: { width, height } }: Scored): Answered {
  return { model: modelOf(pack), image: { sha256: imageSha256, width, height } };
}

/** The `k` best, best first. */
export function predictionsOf(scored: Scored, k: number, functionToApply: FunctionToApply): Prediction[] {
  return topK(applyFunction(scored.result.logits, functionToApply), scored.pack.labels, k);
}

export const normalisations = ["l2"] as const;
export type Normalisation = (typeof normalisations)[number];

/** The pooled features, as a copy: the cache keeps its own. */
export function embeddingOf({ result }: Scored, normalize: Normalisation | undefined): Float32Array {
  return normalize === "l2" ? l2Normalised(result.features) : result.features.slice();
}
