/** From scores to the answers of HTTP and RPC. */
import { type HeadInput, headInput, headLogits, nearestCosine } from "../head/head.ts";
import { headUnavailable } from "../head/head-store.ts";
import { headKey } from "../head/live-heads.ts";
import { applyFunction, l2Normalised, type Prediction, topK } from "../model/scores.ts";
import { headOf, modelOf, type Named } from "./options.ts";
import type { Scored } from "./score.ts";

/** The members that every answer about an image has. */
export interface ImageAnswer {
  readonly model: Named;
  /** Width and height in pixels, as displayed. */
  readonly image: { readonly sha256: string; readonly width: number; readonly height: number };
}

export interface ClassifyAnswer extends ImageAnswer {
  /** The head whose classes the predictions are of, if not the model's own. */
  readonly head?: Named;
  /** Best first. */
  readonly predictions: readonly Prediction[];
  /** Whether the image belongs to none of the head's classes, by its cosine to the nearest class mean. */
  readonly unknown?: { readonly is_unknown: boolean; readonly cosine: number; readonly threshold: number };
}

/**
 * The best `k` classes of the model or of the head, best first.
 * @throws ClassifierError head_unavailable, if the head's logits overflow on these features
 */
export function predictionsOf(
  { result, options, head }: Scored,
  input = head && headInput(result.features),
): Prediction[] {
  const { pack, k, functionToApply } = options;
  const logits = head && input ? headLogits(head, input) : result.logits;
  if (head && !logits.every(Number.isFinite)) {
    const { name, version } = head.file;
    const detail = `${headKey(name, version)} gives a score that is not finite; train the head again, or roll it back`;
    throw headUnavailable(name, detail);
  }
  return topK(applyFunction(logits, functionToApply), head ? head.file.labels : pack.labels, k);
}

/**
 * The answer of POST and GET /v1/classify, and of the RPC method `classify`.
 * @throws ClassifierError head_unavailable
 */
export function classificationOf(scored: Scored): ClassifyAnswer {
  const { head } = scored;
  const input = head && headInput(scored.result.features);
  return {
    model: modelOf(scored.options.pack),
    ...(head && { head: headOf(head) }),
    image: imageOf(scored),
    predictions: predictionsOf(scored, input),
    ...unknownOf(scored, input),
  };
}

/** Accepted values of `normalize`. */
export const normalisations = ["l2"] as const;
export type Normalisation = (typeof normalisations)[number];

/** Returns the pooled features, [feature_size], as a copy, because the cache keeps the original. */
export function embeddingOf(
  scored: Scored,
  normalize: Normalisation | undefined,
): ImageAnswer & { readonly embedding: Float32Array } {
  const { features } = scored.result;
  const embedding = normalize === "l2" ? l2Normalised(features) : features.slice();
  return { model: modelOf(scored.options.pack), image: imageOf(scored), embedding };
}

function imageOf({ imageSha256, result: { width, height } }: Scored): ImageAnswer["image"] {
  return { sha256: imageSha256, width, height };
}

function unknownOf(
  { head, options: { unknown } }: Scored,
  input: HeadInput | undefined,
): Pick<ClassifyAnswer, "unknown"> {
  if (!head?.file.unknown || !unknown || !input) return {};
  const cosine = nearestCosine(head, input);
  if (cosine === undefined) return {};
  const { threshold } = head.file.unknown;
  return { unknown: { is_unknown: cosine < threshold, cosine, threshold } };
}
