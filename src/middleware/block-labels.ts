/** A policy for classifyImages: block images that show one of some things. */
import { problem } from "./image-response.ts";
import type { ImagePolicy } from "./middleware.ts";

/** What blockLabels blocks, and how it answers. */
export interface BlockLabelsOptions {
  /** Labels or class ids, in any case. Each synonym of an ImageNet label such as "tench, Tinca tinca" counts too. */
  readonly labels: readonly string[];
  /** Lowest score at which an image is blocked: 0 to 1. Default: 0.5. */
  readonly minScore?: number;
  /** Status of the answer: 400 to 599. Default: 403. */
  readonly status?: number;
}

/**
 * Returns a policy that answers with a problem of code `image_blocked` if a prediction has one of the labels and a
 * sufficient score. It sees only the first `topK` predictions; with a `minScore` above 0.5 the first one is enough.
 * @example classifyImages({ classifier, policy: blockLabels({ labels: ["revolver", "rifle"] }) })
 * @throws RangeError if the options are out of range or could never block anything
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
      detail: "The image shows something that is not allowed here.",
    });
  };
}

function normal(label: string): string {
  return label.trim().toLowerCase();
}
