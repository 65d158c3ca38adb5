/** A policy for classifyImages: no image that shows one of some things. */
import { problem } from "./image-response.ts";
import type { ImagePolicy } from "./middleware.ts";

export interface BlockLabelsOptions {
  /** Labels or class ids, in any case. Of ImageNet's, "tench, Tinca tinca", each synonym counts too. */
  readonly labels: readonly string[];
  /** Score from which on an image is blocked: 0 to 1. Default: 0.5. */
  readonly minScore?: number;
  /** Status of the answer: 400 to 599. Default: 403. */
  readonly status?: number;
}

/**
 * Answers a problem with the code `image_blocked` where any of the predictions has one of the labels and the score.
 * The policy sees the first `topK` predictions only; from 0.5 on the first one is enough.
 * @throws RangeError when the options could never block anything
 */
export function blockLabels({ labels, minScore = 0.5, status = 403 }: BlockLabelsOptions): ImagePolicy {
  const blocked = new Set(labels.map(normal));
  if (blocked.size === 0 || blocked.has("")) throw new RangeError("labels is empty; expected some to block");
  if (!(minScore >= 0 && minScore <= 1)) throw new RangeError(`minScore is ${minScore}; expected 0 to 1`);
  if (!(Number.isInteger(status) && status >= 400 && status <= 599)) {
    throw new RangeError(`status is ${status}; expected 400 to 599`);
  }
  return (predictions) => {
    const hit = predictions.some(
      ({ label, id, score }) =>
        score >= minScore && [label, id, ...label.split(",")].some((name) => blocked.has(normal(name))),
    );
    if (!hit) return undefined;
    return problem(status, status === 403 ? "Forbidden" : "Blocked", "image_blocked", {
      detail: "The image shows what is not allowed here.",
    });
  };
}

function normal(label: string): string {
  return label.trim().toLowerCase();
}
