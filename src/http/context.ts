/** What a request carries through the middleware. */
import type { ClassifierError } from "../errors.ts";
import type { DecodeScale } from "../image/choose-scale.ts";
import type { Stages } from "../stages.ts";

/** What the handlers learn on the way, for the log line. */
export interface RequestFacts {
  code?: string;
  cache?: string;
  bytes?: number;
  decode?: DecodeScale | undefined;
  /** name/version that answered. */
  model?: string;
  /** name/version of the head, where one was asked for. */
  head?: string;
  error?: ClassifierError;
}

export interface AppEnv {
  Variables: {
    requestId: string;
    stages: Stages;
    facts: RequestFacts;
    /** SHA-256 of the API key that the door let in, in hex. Never logged. */
    keyHash?: string;
  };
}
