/** Checks that the types reject wrong options: a line fails to compile if its type became `any`. */
import { blockLabels } from "edge-resnet/block-labels";
import type { Classification, Failed, ImageClassifier } from "edge-resnet/contract";
import { classifyImages as inHono } from "edge-resnet/hono";
import { classifyImages } from "edge-resnet/middleware";

interface Env {
  readonly CLASSIFIER: ImageClassifier;
}

const classifier = (env: Env) => env.CLASSIFIER;

// @ts-expect-error: onError is open or closed
export const ajar = classifyImages({ classifier, onError: "ajar" });

// @ts-expect-error: classifier is required
export const none = inHono({ topK: 3 });

// @ts-expect-error: labels is a list
export const policy = blockLabels({ labels: "espresso" });

export function best(answer: Classification | Failed): string | undefined {
  // @ts-expect-error: check `ok` first
  return answer.predictions[0]?.label;
}
