/** Every reason to HTTP: RFC 9457 problem details. The one place that knows the status of an error. */
import type { ClassifierError, Reason, ReasonCode } from "../errors.ts";
import { retryAfterSeconds } from "../limits.ts";

export const statusOfCode: Readonly<Record<ReasonCode, number>> = {
  empty_body: 400,
  invalid_parameter: 400,
  body_interrupted: 400,
  malformed_body: 400,
  host_not_allowed: 403,
  unauthorized: 401,
  not_found: 404,
  unknown_model: 404,
  unknown_head: 404,
  method_not_allowed: 405,
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
  loop_detected: 508,
};

/** Every code. */
export const reasonCodes = Object.keys(statusOfCode) as [ReasonCode, ...ReasonCode[]];

/** Reason phrases as RFC 9110 has them: with type about:blank the title says no more than the status. */
const titleOf: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  401: "Unauthorized",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
  508: "Loop Detected",
};

/** RFC 6750: without a key the challenge alone, with a wrong one what is wrong with it. */
const challenges = {
  missing: 'Bearer realm="edge-resnet"',
  malformed: 'Bearer realm="edge-resnet", error="invalid_request"',
  wrong: 'Bearer realm="edge-resnet", error="invalid_token"',
} as const;

export function httpStatus(error: ClassifierError): number {
  return statusOfCode[error.reason.code];
}

/**
 * The members of a problem, for a body of its own or for one result of several.
 * @param requestId names the occurrence, so that its log line can be found
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

/** @param requestId as for problemOf */
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

/** Extension members: the measured value and the limit, where there is one. */
export function membersOf(reason: Reason): Record<string, unknown> {
  switch (reason.code) {
    case "invalid_parameter": {
      const { parameter, expected, measured, limit } = reason;
      return { parameter, expected, measured, limit };
    }
    case "image_too_large":
      return { unit: reason.unit, measured: reason.measured, limit: reason.limit };
    case "unsupported_image":
      return { detected: reason.detected, expected: reason.expected };
    case "malformed_body":
      return { expected: reason.expected };
    case "too_many_images":
      return { measured: reason.measured, limit: reason.limit };
    case "host_not_allowed":
      return { host: reason.host, variable: reason.variable };
    case "body_interrupted":
      return { measured: reason.bytes };
    case "method_not_allowed":
      return { allowed: reason.allowed };
    case "unknown_model":
      return { served: reason.served };
    case "unknown_head":
    case "head_unavailable":
      return { head: reason.head };
    case "head_mismatch":
      return { head: reason.head, backbones: reason.backbones, live: reason.live };
    case "overloaded":
      return { measured: reason.waiting, limit: reason.limit };
    case "misconfigured":
      return { variable: reason.variable };
    case "empty_body":
    case "unauthorized":
    case "rate_limited":
    case "not_found":
    case "image_undecodable":
    case "image_unreachable":
    case "upstream_unavailable":
    case "loop_detected":
    case "conversion_unavailable":
    case "model_unavailable":
    case "internal":
      return {};
  }
}

export function headersOf(reason: Reason): Record<string, string> {
  switch (reason.code) {
    case "method_not_allowed":
      return { Allow: reason.allowed.join(", ") };
    case "unauthorized":
      return { "WWW-Authenticate": challenges[reason.detail] };
    case "rate_limited":
    case "overloaded":
    case "upstream_unavailable":
    case "conversion_unavailable":
    case "model_unavailable":
    case "head_mismatch":
    case "head_unavailable":
      return { "Retry-After": String(reason.retryAfterSeconds) };
    case "misconfigured":
      return { "Retry-After": String(retryAfterSeconds) };
    default:
      return {};
  }
}
