/** Errors as HTTP responses: RFC 9457 problem details. The only place that maps an error to a status. */
import type { ClassifierError, Reason, ReasonCode } from "../errors.ts";
import { retryAfterSeconds } from "../limits.ts";

/** The HTTP status of each error code. */
export const statusOfCode: Readonly<Record<ReasonCode, number>> = {
  empty_body: 400,
  invalid_parameter: 400,
  body_interrupted: 400,
  malformed_body: 400,
  host_not_allowed: 403,
  api_keys_required: 403,
  unauthorized: 401,
  not_found: 404,
  unknown_model: 404,
  unknown_head: 404,
  not_configured: 404,
  unknown_picture: 404,
  method_not_allowed: 405,
  features_missing: 409,
  too_many_pictures: 409,
  image_too_large: 413,
  too_many_images: 413,
  unsupported_image: 415,
  image_undecodable: 422,
  image_unreachable: 422,
  rate_limited: 429,
  internal: 500,
  model_unavailable: 503,
  head_mismatch: 503,
  head_unavailable: 503,
  conversion_unavailable: 503,
  overloaded: 503,
  misconfigured: 503,
  upstream_unavailable: 503,
  pictures_unavailable: 503,
  loop_detected: 508,
};

/** Every error code. */
export const reasonCodes = Object.keys(statusOfCode) as [ReasonCode, ...ReasonCode[]];

/** Reason phrases of RFC 9110. RFC 9457 asks for them as titles if the type is about:blank. */
const titleOf: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  401: "Unauthorized",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
  508: "Loop Detected",
};

/** WWW-Authenticate (RFC 6750, 3): no error code if the request carries no key. */
const challenges = {
  missing: 'Bearer realm="edge-resnet"',
  malformed: 'Bearer realm="edge-resnet", error="invalid_request"',
  wrong: 'Bearer realm="edge-resnet", error="invalid_token"',
} as const;

/** Returns the HTTP status of an error. */
export function httpStatus(error: ClassifierError): number {
  return statusOfCode[error.reason.code];
}

/**
 * Returns the members of a problem, for the body of a response or for one of several results.
 * @param requestId identifies the occurrence and its log line
 */
export function problemOf(error: ClassifierError, requestId: string): Record<string, unknown> {
  const status = httpStatus(error);
  return {
    type: "about:blank",
    title: titleOf[status],
    status,
    detail: error.message,
    instance: `urn:request:${requestId}`,
    code: error.reason.code,
    ...membersOf(error.reason),
  };
}

/**
 * Builds the response for an error.
 * @param requestId identifies the occurrence and its log line
 */
export function problemResponse(error: ClassifierError, requestId: string): Response {
  const headers = {
    "Content-Type": "application/problem+json",
    "X-Request-Id": requestId,
    ...headersOf(error.reason),
  };
  return new Response(`${JSON.stringify(problemOf(error, requestId))}\n`, {
    status: httpStatus(error),
    headers,
  });
}

/** Members that a problem has beside those of RFC 9457, if its error has them. */
const memberNames = [
  "parameter",
  "expected",
  "unit",
  "measured",
  "limit",
  "detected",
  "host",
  "variable",
  "allowed",
  "served",
  "head",
  "backbones",
  "live",
  "bindings",
];

/** Returns the extension members of a problem, such as the measured value and the limit. */
export function membersOf(reason: Reason): Record<string, unknown> {
  return Object.fromEntries(Object.entries(reason).filter(([name]) => memberNames.includes(name)));
}

/** Returns the headers that an error adds to its response. */
export function headersOf(reason: Reason): Record<string, string> {
  if (reason.code === "method_not_allowed") return { Allow: reason.allowed.join(", ") };
  if (reason.code === "unauthorized") return { "WWW-Authenticate": challenges[reason.detail] };
  if ("retryAfterSeconds" in reason) return { "Retry-After": String(reason.retryAfterSeconds) };
  return reason.code === "misconfigured" ? { "Retry-After": String(retryAfterSeconds) } : {};
}
