/** Sends requests as a well-behaved or a hostile client, and tells how each one ended. */
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "../../bench/common/requests.ts";
import { type Check, faultOf, type KindName, kindOf } from "./kinds.ts";

/** A request, and how its client behaves. */
export interface Outgoing {
  readonly path: string;
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  /** The body. Its parts are sent one after the other without being copied. */
  readonly parts?: readonly Uint8Array[];
  /** The length that the client announces. Default: that of the body. */
  readonly announcedBytes?: number;
  /** Sends the body at this rate, and disconnects when the attack ends. */
  readonly bytesPerSecond?: number;
  /** Never reads the answer, and disconnects after 30 s or when the attack ends. */
  readonly neverReads?: boolean;
  /** Disconnects after the body without waiting for an answer. */
  readonly goesAway?: boolean;
  /** Uses a new connection, which is closed after the answer. */
  readonly ownConnection?: boolean;
  /** Examines a 200. */
  readonly check?: Check;
}

/** How a request ended. */
export type Outcome =
  | { readonly end: "answered"; readonly status: number; readonly cache?: string; readonly wrong?: string }
  /** The client disconnected, as planned. */
  | { readonly end: "broken-off" }
  /** No answer of the Worker arrived, although the client waited. The Worker's log may have the request's `id`. */
  | { readonly end: "lost"; readonly id: string; readonly reason: string; readonly isDisconnect: boolean };

/** Receives every request and how it ended. */
export interface Report {
  sent(kind: KindName): void;
  ended(kind: KindName, outcome: Outcome, ms: number): void;
}

/** Longer than the Worker allows: 128 s for 16 MiB at the slowest pace, 10 s without a byte, 20 s for memory, and scoring. */
const timeoutMs = 240_000;
/** Milliseconds between two writes of a slow sender. */
const trickleEveryMs = 100;
/** Milliseconds for which a client that does not read keeps its connection. */
const unreadMs = 30_000;
/** Milliseconds after which the Worker has begun to read a body. */
const beginsToReadMs = 20;

const keepAlive = new Agent({ keepAlive: true });

/** Sends one request. Never rejects. @param signal makes slow clients disconnect; the others wait for their answer */
export async function sendRequest(
  origin: string,
  outgoing: Outgoing,
  kind: KindName,
  id: string,
  signal: AbortSignal,
): Promise<Outcome> {
  if (outgoing.neverReads) {
    const end = AbortSignal.any([signal, AbortSignal.timeout(unreadMs)]);
    const unread = sleep(unreadMs, undefined, { signal });
    await Promise.allSettled([send(origin, outgoing, id, end), unread]);
    return { end: "broken-off" };
  }
  const isSlow = outgoing.bytesPerSecond !== undefined;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await send(origin, outgoing, id, isSlow ? signal : timeout);
    return outgoing.goesAway ? { end: "broken-off" } : outcomeOf(answer, outgoing, kind, id);
  } catch (error) {
    if (outgoing.goesAway || (isSlow && signal.aborted)) return { end: "broken-off" };
    return { end: "lost", id, reason: String(error), isDisconnect: !timeout.aborted };
  }
}

/**
 * Sends one request and reads the answer.
 * @throws Error when the connection ends without an answer, or when `signal` aborts
 */
export async function send(
  origin: string,
  outgoing: Outgoing,
  id: string,
  signal: AbortSignal,
): Promise<Answer> {
  const { method = "POST", path, headers, parts = [], neverReads, goesAway } = outgoing;
  const { bytesPerSecond, announcedBytes, ownConnection } = outgoing;
  const length = announcedBytes ?? parts.reduce((sum, part) => sum + part.length, 0);
  // A connection on which less was sent than announced cannot be used again.
  const isUnusable = ownConnection || announcedBytes !== undefined || bytesPerSecond !== undefined;
  const client = request(new URL(path, origin), {
    method,
    agent: isUnusable ? false : keepAlive,
    signal,
    headers: { ...headers, ...(method === "POST" ? { "Content-Length": length } : {}), "X-Request-Id": id },
  });
  // The promises below report errors. This listener takes those that come after the answer.
  client.on("error", () => {});
  if (goesAway) client.once("finish", () => setTimeout(() => client.destroy(), beginsToReadMs));
  Readable.from(bytesPerSecond === undefined ? parts : trickle(parts, bytesPerSecond)).pipe(client);
  try {
    const [response] = (await once(client, "response")) as [IncomingMessage];
    if (neverReads) await once(client, "close");
    return {
      status: response.statusCode ?? 0,
      headers: new Headers(response.headers as Record<string, string>),
      text: await text(response),
    };
  } finally {
    client.destroy();
  }
}

async function* trickle(parts: readonly Uint8Array[], bytesPerSecond: number): AsyncGenerator<Uint8Array> {
  const step = Math.max(1, Math.round((bytesPerSecond * trickleEveryMs) / 1000));
  for (const part of parts) {
    for (let at = 0; at < part.length; at += step) {
      await sleep(trickleEveryMs);
      yield part.subarray(at, at + step);
    }
  }
}

/** The Worker's answers name the request. wrangler's proxy answers itself when it loses the Worker's connection. */
function outcomeOf(answer: Answer, { check }: Outgoing, kind: KindName, id: string): Outcome {
  const { status, headers, text } = answer;
  if (headers.get("X-Request-Id") !== id) {
    const isDisconnect = text.includes("Network connection lost");
    return { end: "lost", id, reason: `${status} by the proxy: ${text.slice(0, 100)}`, isDisconnect };
  }
  const cache = headers.get("X-Cache");
  const wrong = faultOf(answer, kindOf(kind), check);
  return { end: "answered", status, ...(cache ? { cache } : {}), ...(wrong ? { wrong } : {}) };
}
