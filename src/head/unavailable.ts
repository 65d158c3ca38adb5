/** The 503s and the 404 of this room. */

import { StalledError } from "../concurrency/single-flight.ts";
import { ClassifierError } from "../errors.ts";
import { headMismatchRetrySeconds, retryAfterSeconds } from "../limits.ts";
import { HeadFormatError } from "./head.ts";
import { type Backbone, backboneText, type HeadCurrent } from "./live-heads.ts";

export function unknownHead(head: string): ClassifierError {
  return new ClassifierError({ code: "unknown_head", head });
}

export function headMismatch({ name, live }: Pick<HeadCurrent, "name" | "live">, backbone: Backbone) {
  return new ClassifierError({
    code: "head_mismatch",
    head: name,
    backbones: live.map((entry) => backboneText(entry.backbone)),
    live: backboneText(backbone),
    retryAfterSeconds: headMismatchRetrySeconds,
  });
}

export function headUnavailable(head: string, detail: string, cause?: unknown): ClassifierError {
  return new ClassifierError({ code: "head_unavailable", head, detail, retryAfterSeconds }, { cause });
}

/** What failed on the way to a head, as its caller is told. */
export function asHeadError(head: string, what: string, error: unknown): unknown {
  if (error instanceof HeadFormatError)
    return headUnavailable(head, `${what}: ${error.message}`, error.cause);
  if (error instanceof StalledError) return headUnavailable(head, `${what} made ${error.message}`, error);
  if (error instanceof ClassifierError && error.reason.code === "model_unavailable") {
    return headUnavailable(head, error.reason.detail, error.cause);
  }
  return error;
}
