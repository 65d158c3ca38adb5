/** The contract that every response of the Worker must keep: the property of all fuzz tests. */
import { problemSchema } from "../../../src/http/schemas.ts";

/** Statuses that a client can cause. Tests name the 5xx that they expect from dependencies. */
const clientStatuses = [200, 304, 400, 401, 403, 404, 405, 413, 415, 422, 429, 508];

/**
 * Header names that a response may have. Any other was injected. CF-Cache-Status comes from the asset server, for the
 * page's files.
 */
const headerNames = new Set([
  ...["allow", "cache-control", "cf-cache-status", "connection", "content-encoding", "content-length"],
  ...["content-security-policy", "content-type", "date", "etag", "keep-alive", "permissions-policy"],
  ...["referrer-policy", "retry-after", "server-timing", "strict-transport-security"],
  ...["transfer-encoding", "vary", "www-authenticate", "x-cache", "x-content-type-options"],
  ...["x-frame-options", "x-image-classify-error", "x-image-label", "x-image-score", "x-image-sha256"],
  ...["x-request-id"],
]);

const traces = /\bat (async )?[\w.<>]+ \(|\.[cm]?[jt]s:\d+|node_modules|workerd/;

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Returns how a response breaks the contract; an empty list if it does not. */
export function breaches(answer: Answered, more: readonly number[] = []): string[] {
  const { status, headers, text } = answer;
  const found: string[] = [];
  if (![...clientStatuses, ...more].includes(status)) found.push(`status ${status}: ${text.slice(0, 300)}`);
  for (const [name, value] of headers) {
    // The asset server redirects from // to /, only within this host.
    const isWithin = name === "location" && status === 307 && /^\/(?![/\\])/.test(value);
    if (!headerNames.has(name) && !isWithin) found.push(`header ${name}: ${value}`);
    if (!/^[\t\x20-\x7e]*$/.test(value)) found.push(`header ${name} has ${JSON.stringify(value)}`);
  }
  if (traces.test(text)) found.push(`a trace: ${text.slice(0, 300)}`);
  if (status < 400 || text === "") return found;
  if (headers.get("Content-Type") !== "application/problem+json") found.push("not problem+json");
  if (!/no-store/.test(headers.get("Cache-Control") ?? "")) found.push("an error that caches may keep");
  const problem = problemSchema.safeParse(parsed(text));
  if (!problem.success) found.push(`not a problem: ${text.slice(0, 300)}`);
  else if (problem.data.status !== status) found.push(`a problem of status ${problem.data.status}`);
  else if (problem.data.detail.length < 20 || problem.data.detail.length > 1000) found.push("detail");
  return found;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
