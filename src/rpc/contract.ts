/**
 * What other Workers see of the classifier: a service binding to its `ClassifierService` entrypoint has this type, and so
 * has anything that stands in for it. Types only, so that it costs a caller nothing.
 */
import type { FunctionToApply, Prediction } from "../model/scores.ts";

export type { FunctionToApply, Prediction };

/** A JPEG. It is read, never changed or detached. A view counts with the whole buffer that it is on: that is sent. */
export type ImageBytes = Uint8Array | ArrayBuffer;

export interface ClassifyOptions {
  /** Number of predictions: 1 to the number of classes. Default: 5, or all where there are fewer. */
  readonly topK?: number;
  /** Default: softmax. */
  readonly functionToApply?: FunctionToApply;
  /** Name of a head: its classes in place of the model's own. */
  readonly head?: string;
  /** With a head: also tell whether the image is of none of its classes. Default: false. */
  readonly unknown?: boolean;
}

export interface EmbedOptions {
  /** l2: a vector of length 1. Default: the features as the model gives them. */
  readonly normalize?: "l2";
}

/** A failure as data: what the HTTP API has in its problem details. */
export interface Failure {
  /** As in the table of codes in docs/http.md: image_undecodable, overloaded, ... */
  readonly code: string;
  /** Status that the HTTP API answers with: 4xx is the caller's, 503 passes. */
  readonly status: number;
  /** A sentence for people. */
  readonly detail: string;
  /** Seconds after which to try again, where that makes sense. */
  readonly retryAfterSeconds?: number;
  /** The option at fault. */
  readonly parameter?: string;
  /** The measured value and the limit, where there is one, and what they count. */
  readonly measured?: number;
  readonly limit?: number;
  readonly unit?: string;
}

export interface Failed {
  readonly ok: false;
  readonly error: Failure;
}

interface Answer {
  readonly ok: true;
  readonly model: { readonly name: string; readonly version: string };
  /** Width and height in pixels, as the image was sent. */
  readonly image: { readonly sha256: string; readonly width: number; readonly height: number };
}

export interface Classification extends Answer {
  /** Whose classes the predictions are of, where a head was asked for. */
  readonly head?: { readonly name: string; readonly version: string };
  /** Best first. */
  readonly predictions: readonly Prediction[];
  /** With `unknown`: the image's cosine to the nearest class mean, -1 to 1, and whether it is under the head's threshold. */
  readonly unknown?: { readonly is_unknown: boolean; readonly cosine: number; readonly threshold: number };
}

export interface Embedding extends Answer {
  /** The pooled features: 512 of a ResNet34. */
  readonly embedding: Float32Array;
}

/** The image classification input of Workers AI: bytes as numbers; a Uint8Array is better, at a tenth of the memory. */
export interface RunInput {
  readonly image: readonly number[] | ImageBytes;
}

export interface ImageClassifier {
  /** Never rejects with what the classifier finds wrong: that is `{ok: false, error}`. */
  classify(image: ImageBytes, options?: ClassifyOptions): Promise<Classification | Failed>;
  embed(image: ImageBytes, options?: EmbedOptions): Promise<Embedding | Failed>;
  /**
   * `env.AI.run` of Workers AI: the five best, or all where there are fewer.
   * @param model "@cf/microsoft/resnet-50", so that calls need no change, or the name of the model served
   * @throws Error with "code: detail" as its message
   */
  run(model: string, input: RunInput): Promise<{ label: string; score: number }[]>;
}
