/** What a forward pass becomes on the wire, whether asked for by HTTP or by RPC. */
import type { Scored } from "../classifier/classifier.ts";
import { ClassifierError } from "../errors.ts";
import { type Head, headLogits, nearestCosine } from "../head/head.ts";
import type { HeadStore } from "../head/head-store.ts";
import { headKey } from "../head/live-heads.ts";
import { headUnavailable } from "../head/unavailable.ts";
import type { Pack } from "../model/pack.ts";
import { applyFunction, type FunctionToApply, l2Normalised, type Prediction, topK } from "../model/scores.ts";
import type { HeadChoice } from "./query.ts";
import { modelOf } from "./services.ts";

interface Named {
  readonly name: string;
  readonly version: string;
}

export interface Answered {
  readonly model: Named;
  /** Width and height in pixels, as the image was sent. */
  readonly image: { readonly sha256: string; readonly width: number; readonly height: number };
}

/** How an answer names the model and the image that it is about. */
export function answered({ pack, imageSha256, result: { width, height } }: Scored): Answered {
  return { model: modelOf(pack), image: { sha256: imageSha256, width, height } };
}

/** Which predictions are asked for. */
export interface Wanted {
  /** Checks top_k against the class count. Throws ClassifierError. */
  readonly topKOf: (classes: number) => number;
  readonly functionToApply: FunctionToApply;
  /** Undefined: the model's own classes. */
  readonly head: HeadChoice | undefined;
}

/** The same for one pack, checked: it holds for results of that pack alone. */
export interface Settled {
  readonly pack: Pack;
  readonly head: Head | undefined;
  readonly unknown: boolean;
  /** Number of predictions. */
  readonly k: number;
  readonly functionToApply: FunctionToApply;
}

/** Finds the head and checks what was asked against its classes, or the model's. Rejects with ClassifierError. */
export async function settle(heads: HeadStore, wanted: Wanted, pack: Pack): Promise<Settled> {
  const { topKOf, functionToApply, head: choice } = wanted;
  const head = choice && (await heads.head(choice.name, pack));
  const unknown = choice?.unknown ?? false;
  if (head && unknown && !head.centroids) {
    const expected = `false, since the head ${head.file.name} ${head.file.version} was trained without a measure of unknown images`;
    throw new ClassifierError({ code: "invalid_parameter", parameter: "unknown", value: "true", expected });
  }
  const k = topKOf(head ? head.file.labels.length : pack.manifest.classes);
  return { pack, head, unknown, k, functionToApply };
}

export interface ClassifyAnswer extends Answered {
  /** Whose classes the predictions are of, where they are not the model's. */
  readonly head?: Named;
  /** Best first. */
  readonly predictions: readonly Prediction[];
  /** Whether the image is of none of the head's classes: by its cosine to the nearest class mean. */
  readonly unknown?: { readonly is_unknown: boolean; readonly cosine: number; readonly threshold: number };
}

/**
 * @param settled for the pack that made the scores
 * @throws ClassifierError head_unavailable when the head's logits overflow on these features
 */
export function classificationOf(scored: Scored, settled: Settled): ClassifyAnswer {
  const { head, k, functionToApply } = settled;
  const { model, image } = answered(scored);
  if (!head) return { model, image, predictions: predictionsOf(scored, k, functionToApply) };
  const { features } = scored.result;
  const logits = headLogits(head, features);
  if (!logits.every(Number.isFinite)) {
    const { name, version } = head.file;
    throw headUnavailable(
      name,
      `${headKey(name, version)} gives a score that is not finite; train the head again, or roll it back`,
    );
  }
  const scores = applyFunction(logits, functionToApply);
  return {
    model,
    head: headOf(head),
    image,
    predictions: topK(scores, head.file.labels, k),
    ...(settled.unknown && unknownOf(head, features)),
  };
}

/** How an answer names the head. */
export function headOf({ file: { name, version } }: Head): Named {
  return { name, version };
}

function unknownOf(head: Head, features: Float32Array): Pick<ClassifyAnswer, "unknown"> {
  const cosine = nearestCosine(head, features);
  const { unknown } = head.file;
  if (cosine === undefined || !unknown) return {};
  const { threshold } = unknown;
  return { unknown: { is_unknown: cosine < threshold, cosine, threshold } };
}

/** The `k` best of the model's own classes, best first. */
export function predictionsOf(scored: Scored, k: number, functionToApply: FunctionToApply): Prediction[] {
  return topK(applyFunction(scored.result.logits, functionToApply), scored.pack.labels, k);
}

export const normalisations = ["l2"] as const;
export type Normalisation = (typeof normalisations)[number];

/** The pooled features, as a copy: the cache keeps its own. */
export function embeddingOf({ result }: Scored, normalize: Normalisation | undefined): Float32Array {
  return normalize === "l2" ? l2Normalised(result.features) : result.features.slice();
}
