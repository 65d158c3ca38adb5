/** That the types are there and say no: each line fails to compile where they had become `any`. */
import { blockLabels } from "edge-resnet/block-labels";
import type { Classification, Failed, ImageClassifier } from "edge-resnet/contract";
import { classifyImages as inHono } from "edge-resnet/hono";
import { classifyImages } from "edge-resnet/middleware";

interface Env {
  readonly CLASSIFIER: ImageClassifier;
}

const classifier = (env: Env) => env.CLASSIFIER;

// @ts-expect-error: open or closed
export const ajar = classifyImages({ classifier, onError: "ajar" });

// @ts-expect-error: a classifier is needed
export const none = inHono({ topK: 3 });

// @ts-expect-error: a list of labels
export const policy = blockLabels({ labels: "truck" });

export function best(answer: Classification | Failed): string | undefined {
  // @ts-expect-error: whether it failed must be asked first
  return answer.predictions[0]?.label;
}
