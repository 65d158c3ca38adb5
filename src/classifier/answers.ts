/** From scores to the answers of HTTP and RPC. */
import { type BackboneOutput, type Head, headLogits, nearestCosine } from "../head/head.ts";
import { headUnavailable } from "../head/head-store.ts";
import { headKey } from "../head/live-heads.ts";
import type { Manifest } from "../model/manifest.ts";
import { applyFunction, entropy, l2Normalised, type Prediction, softmax, topK } from "../model/scores.ts";
import { headOf, modelOf, type Named } from "./options.ts";
import type { Scored } from "./score.ts";

/** The members that every answer about an image has. */
export interface ImageAnswer {
  readonly model: Named;
  /** Width and height in pixels, as displayed. */
  readonly image: { readonly sha256: string; readonly width: number; readonly height: number };
}

/** The answer of a classification. */
export interface ClassifyAnswer extends ImageAnswer {
  /** The head whose classes the predictions are of, if not the model's own. */
  readonly head?: Named;
  /** Best first. */
  readonly predictions: readonly Prediction[];
  /** Whether the highest probability reaches the threshold of the head, or of the model. Absent without a threshold. */
  readonly confident?: boolean;
  /** Whether the image belongs to none of the classes, if requested. */
  readonly unknown?: {
    readonly is_unknown: boolean;
    readonly cosine?: number;
    readonly entropy?: number;
    readonly threshold: number;
  };
}

/**
 * Builds the answer of POST and GET /v1/classify, and of the RPC method `classify`.
 * @throws ClassifierError head_unavailable, if the head's logits overflow on these features
 */
export function classificationOf(scored: Scored): ClassifyAnswer {
  const { result, options, head } = scored;
  const { manifest, labels } = options.pack;
  const logits = head ? finiteLogits(head, result) : result.logits;
  const temperature = head ? 1 : (manifest.scores?.temperature ?? 1);
  const scores = applyFunction(logits, options.functionToApply, temperature);
  const probabilities = softmax(logits, temperature);
  const confident = head ? head.file.confident : manifest.scores?.confident;
  return {
    model: modelOf(options.pack),
    ...(head && { head: headOf(head) }),
    image: imageOf(scored),
    predictions: topK(scores, head ? head.file.labels : labels, options.k),
    ...(confident && { confident: probabilities.some((probability) => probability >= confident.threshold) }),
    ...(options.unknown && (head ? unknownByHead(head, result) : unknownByModel(manifest, probabilities))),
  };
}

function finiteLogits(head: Head, { features }: BackboneOutput): Float32Array {
  const logits = headLogits(head, features);
  if (logits.every(Number.isFinite)) return logits;
  const { name, version } = head.file;
  const detail = `${headKey(name, version)} gives a score that is not finite; train the head again, or roll it back`;
  throw headUnavailable(name, detail);
}

/** Empty if the head cannot tell: another version of it may have gone live while the image waited. */
function unknownByHead(head: Head, output: BackboneOutput): Pick<ClassifyAnswer, "unknown"> {
  const cosine = nearestCosine(head, output);
  if (cosine === undefined || !head.file.unknown) return {};
  const { threshold } = head.file.unknown;
  return { unknown: { is_unknown: cosine < threshold, cosine, threshold } };
}

/** Empty if the model cannot tell. */
function unknownByModel({ scores }: Manifest, probabilities: Float64Array): Pick<ClassifyAnswer, "unknown"> {
  if (!scores?.unknown) return {};
  const { threshold } = scores.unknown;
  const value = entropy(probabilities);
  return { unknown: { is_unknown: value > threshold, entropy: value, threshold } };
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
