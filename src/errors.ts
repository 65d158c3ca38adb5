/**
 * The one error class: a tagged reason with the measured value and the limit. Imports nothing. http/problem.ts maps every
 * reason to HTTP; a new reason does not compile until it is mapped there.
 */

/** Why a request failed. `code` is part of the API; the other members fill in the message. */
export type Reason =
  | { code: "empty_body" }
  | {
      code: "invalid_parameter";
      parameter: string;
      value: string;
      expected: string;
      /** Set if the value is a number out of range. */
      measured?: number;
      limit?: number;
    }
  | { code: "malformed_body"; detail: string; expected: string }
  | { code: "too_many_images"; measured: number; limit: number }
  /** `variable` is the Worker's variable that lists the allowed hosts. */
  | { code: "host_not_allowed"; host: string; variable: string; detail: string }
  /** The server of a remote image refused the request. Retrying does not help. */
  | { code: "image_unreachable"; detail: string }
  /** The server of a remote image failed or was too slow. Retrying may help. */
  | { code: "upstream_unavailable"; detail: string; retryAfterSeconds: number }
  | { code: "loop_detected" }
  | { code: "body_interrupted"; measured: number; detail: string }
  | { code: "unauthorized"; detail: "missing" | "malformed" | "wrong" }
  | { code: "not_found"; path: string }
  | { code: "unknown_model"; model: string; served: readonly string[] }
  | { code: "unknown_head"; head: string }
  /** The head exists, but only for other versions of the model than the live one. */
  | {
      code: "head_mismatch";
      head: string;
      /** Each as name/version. */
      backbones: readonly string[];
      live: string;
      retryAfterSeconds: number;
    }
  | { code: "head_unavailable"; head: string; detail: string; retryAfterSeconds: number }
  | { code: "method_not_allowed"; method: string; allowed: readonly string[] }
  | {
      code: "image_too_large";
      unit: SizeUnit;
      measured: number;
      limit: number;
    }
  | { code: "unsupported_image"; detected: string; expected: string }
  | { code: "image_undecodable"; detail: string }
  | { code: "model_unavailable"; detail: string; retryAfterSeconds: number }
  | { code: "conversion_unavailable"; detail: string; retryAfterSeconds: number }
  | { code: "overloaded"; detail: string; measured: number; limit: number; retryAfterSeconds: number }
  | { code: "rate_limited"; retryAfterSeconds: number }
  | { code: "misconfigured"; variable: string; expected: string }
  /** The Worker lacks bindings of an optional feature. `bindings` lists all bindings that the feature needs. */
  | { code: "not_configured"; feature: string; bindings: readonly string[] }
  /** The route shows private data, and the Worker has no API keys. */
  | { code: "api_keys_required" }
  | { code: "pictures_unavailable"; detail: string; retryAfterSeconds: number }
  | { code: "unknown_picture"; key: string }
  | { code: "features_missing"; key: string }
  | { code: "too_many_pictures"; measured: number; limit: number }
  | { code: "internal" };

/** The stable code of a reason. */
export type ReasonCode = Reason["code"];

/** An error with a reason that clients can act on. */
export class ClassifierError extends Error {
  readonly reason: Reason;
  constructor(reason: Reason, options?: ErrorOptions) {
    super(describe(reason), options);
    this.name = "ClassifierError";
    this.reason = reason;
  }
}

/** Returns a ClassifierError unchanged and wraps anything else as `internal`: a bug in the program. */
export function toClassifierError(error: unknown): ClassifierError {
  if (error instanceof ClassifierError) return error;
  return new ClassifierError({ code: "internal" }, { cause: error });
}

/** Builds the error for an image that exceeds a limit. */
export function imageTooLarge(unit: SizeUnit, measured: number, limit: number): ClassifierError {
  return new ClassifierError({ code: "image_too_large", unit, measured, limit });
}

/** Builds the error for a broken image. */
export function undecodable(detail: string, cause?: unknown): ClassifierError {
  return new ClassifierError({ code: "image_undecodable", detail }, { cause });
}

/** What a limit counts, as the answer names it. */
export type SizeUnit = keyof typeof sizes;

const sizes = {
  // The rest of the body is not read.
  bytes: (measured: number) => `has at least ${measured} bytes`,
  pixels: (measured: number) => `has ${measured} pixels`,
  decode_bytes: (measured: number) => `needs ${measured} bytes of memory to decode`,
  block_visits: (measured: number) => `needs ${measured} block visits to decode, counted over all its scans`,
  inflated_bytes: (measured: number) => `has ${measured} bytes of uncompressed image data`,
};

/** Never repeats the key that was sent: a key that is almost right is still a secret. */
const keyFaults = {
  missing: "The request carries no API key",
  malformed: "The Authorization header is not of the form Bearer KEY",
  wrong: "The API key is not one of this Worker's",
};

/** Says what happened, what was expected and what to do next. */
function describe(reason: Reason): string {
  switch (reason.code) {
    case "empty_body":
      return "The request body is empty; expected the bytes of an image. Send one, for example with curl --data-binary @photo.jpg.";
    case "invalid_parameter":
      return `${reason.parameter} is ${JSON.stringify(reason.value.slice(0, 100))}; expected ${reason.expected}.`;
    case "malformed_body":
      return `The request body is not valid: ${reason.detail}; expected ${reason.expected}.`;
    case "too_many_images":
      return `The request has at least ${reason.measured} images; the limit is ${reason.limit}. Send the rest in another request.`;
    case "host_not_allowed":
      return `Images from ${reason.host.slice(0, 200)} are not allowed: ${reason.detail}. The Worker's variable ${reason.variable} lists the allowed hosts.`;
    case "image_unreachable":
      return `The image cannot be fetched: ${reason.detail}.`;
    case "upstream_unavailable":
      return `The image's server did not deliver the image: ${reason.detail}. Try again in ${reason.retryAfterSeconds} s.`;
    case "loop_detected":
      return "The request has already passed through this Worker. Set IMAGE_ORIGIN or the URL to the image's own server.";
    case "body_interrupted":
      return `The request body broke off after ${reason.measured} bytes: ${reason.detail}. Send the image again.`;
    case "unauthorized":
      return `${keyFaults[reason.detail]}. Send Authorization: Bearer KEY with a key from the owner of this Worker.`;
    case "not_found":
      return `No endpoint has the path ${reason.path.slice(0, 200)}. The README lists every path.`;
    case "unknown_model":
      return `The model ${JSON.stringify(reason.model.slice(0, 100))} does not exist here; use ${reason.served.join(" or ")}.`;
    case "unknown_head":
      return `The head ${JSON.stringify(reason.head.slice(0, 100))} does not exist here; expected a head pushed with npm run head -- push FILE.`;
    case "head_mismatch":
      return `The head ${reason.head} is for ${reason.backbones.slice(0, 5).join(", ")}; the live model is ${reason.live}. Train the head on the live model and push it, or roll the model back.`;
    case "head_unavailable":
      return `The head ${reason.head} is not available: ${reason.detail}. The next request tries again.`;
    case "method_not_allowed":
      return `${reason.method} is not allowed here; use ${reason.allowed.join(" or ")}.`;
    case "image_too_large":
      return `The image ${sizes[reason.unit](reason.measured)}; the limit is ${reason.limit}. Send a smaller rendition.`;
    case "unsupported_image":
      return `The body is ${reason.detected}; expected ${reason.expected}.`;
    case "image_undecodable":
      return `The image cannot be decoded: ${reason.detail}. Save it again, for example as a plain JPEG, and send that.`;
    case "model_unavailable":
      return `The model is not available: ${reason.detail}. The next request tries again.`;
    case "conversion_unavailable":
      return `Converting the image to JPEG failed: ${reason.detail}. Try again, or send a JPEG.`;
    case "overloaded":
      return `The server is busy: ${reason.detail}. Try again in ${reason.retryAfterSeconds} s.`;
    case "rate_limited":
      return `Too many requests. Try again in ${reason.retryAfterSeconds} s.`;
    case "misconfigured":
      return `The Worker's setting ${reason.variable} is not valid; expected ${reason.expected}. Correct it in wrangler.toml and deploy.`;
    case "not_configured":
      return `This Worker does not ${reason.feature}; expected the bindings ${reason.bindings.join(", ")}. Enable them in wrangler.toml and deploy (docs/bucket.md).`;
    case "api_keys_required":
      return "This route shows the contents of a private bucket, and the Worker has no API keys. Set them with npx wrangler secret put API_KEYS.";
    case "pictures_unavailable":
      return `The pictures are not available: ${reason.detail}. Try again in ${reason.retryAfterSeconds} s.`;
    case "unknown_picture":
      return `The bucket has no picture ${JSON.stringify(reason.key.slice(0, 200))}; expected a key that GET /v1/pictures lists.`;
    case "features_missing":
      return `The picture ${JSON.stringify(reason.key.slice(0, 200))} has no features. Set KEEP_FEATURES = "true", deploy, and run npm run bucket -- label --stale.`;
    case "too_many_pictures":
      return `The bucket has at least ${reason.measured} pictures; an exact search compares at most ${reason.limit}. Use an index such as Vectorize (docs/bucket.md).`;
    case "internal":
      return "An unexpected error occurred. The server's log has the details under the id of this request.";
  }
}
