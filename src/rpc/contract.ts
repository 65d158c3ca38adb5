/**
 * The interface of the classifier for other Workers: the type of a service binding to its `ClassifierService` entrypoint.
 * Types only, so that it adds no code to a caller.
 */
import type { FunctionToApply, Prediction } from "../model/scores.ts";

export type { FunctionToApply, Prediction };

/** An image. It is never changed or detached. A view counts with its whole buffer, because RPC sends all of it. */
export type ImageBytes = Uint8Array | ArrayBuffer;

export interface ClassifyOptions {
  /** Number of predictions: 1 to the number of classes. Default: 5, or all classes if there are fewer. */
  readonly topK?: number;
  /** Default: softmax. */
  readonly functionToApply?: FunctionToApply;
  /** Name of a head whose classes to predict. Default: the model's own classes. */
  readonly head?: string;
  /** Also returns whether the image belongs to none of the classes. Default: false. */
  readonly unknown?: boolean;
}

export interface EmbedOptions {
  /** l2: scales the features to length 1. Default: the features of the model, unchanged. */
  readonly normalize?: "l2";
}

/** A failure as data, with the members of the problem details of the HTTP API. */
export interface Failure {
  /** An error code of docs/http.md, such as image_undecodable or overloaded. */
  readonly code: string;
  /** Status of the HTTP API: 4xx is the caller's fault, 503 is temporary. */
  readonly status: number;
  /** What happened, what was expected and what to do, for people. */
  readonly detail: string;
  /** Seconds after which to try again, if that can help. */
  readonly retryAfterSeconds?: number;
  /** Name of the invalid option. */
  readonly parameter?: string;
  /** The measured value, the limit, and their unit. */
  readonly measured?: number;
  readonly limit?: number;
  readonly unit?: string;
}

/** The result of a call that failed. */
export interface Failed {
  readonly ok: false;
  readonly error: Failure;
}

interface Answer {
  readonly ok: true;
  readonly model: { readonly name: string; readonly version: string };
  /** Width and height in pixels, as displayed. */
  readonly image: { readonly sha256: string; readonly width: number; readonly height: number };
}

/** How far an image is from all classes. */
export interface UnknownAnswer {
  readonly is_unknown: boolean;
  /** Of a head: cosine to the nearest class mean, -1 to 1. Below the threshold, the image is unknown. */
  readonly cosine?: number;
  /** Of a model: entropy of the probabilities, in nats. Above the threshold, the image is unknown. */
  readonly entropy?: number;
  readonly threshold: number;
}

/** The result of `classify`. */
export interface Classification extends Answer {
  /** The head of the predictions, if one was requested. */
  readonly head?: { readonly name: string; readonly version: string };
  /** Best first. */
  readonly predictions: readonly Prediction[];
  /** Whether the highest probability reaches the threshold of the head, or of the model. Absent without a threshold. */
  readonly confident?: boolean;
  /** With `unknown`: whether the image belongs to none of the classes. */
  readonly unknown?: UnknownAnswer;
}

/** The result of `embed`. */
export interface Embedding extends Answer {
  /** The pooled features, [feature_size]: 512 for a ResNet34. */
  readonly embedding: Float32Array;
}

/** The image input of Workers AI: an array of bytes. A Uint8Array takes a tenth of the memory. */
export interface RunInput {
  readonly image: readonly number[] | ImageBytes;
}

/** Classifies images. */
export interface ImageClassifier {
  /** Returns the most probable classes. Errors are returned as `{ok: false, error}`. */
  classify(image: ImageBytes, options?: ClassifyOptions): Promise<Classification | Failed>;
  /** Returns the pooled features. Errors are returned as `{ok: false, error}`. */
  embed(image: ImageBytes, options?: EmbedOptions): Promise<Embedding | Failed>;
  /**
   * Replaces `env.AI.run` of Workers AI. Returns the five best classes, or all if there are fewer.
   * @param model "@cf/microsoft/resnet-50", or the name of the served model
   * @throws Error with "code: detail" as its message
   */
  run(model: string, input: RunInput): Promise<{ label: string; score: number }[]>;
}
