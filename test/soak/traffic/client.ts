/** Sends the requests of a turn and tells what became of each. */
import { type Answer, faultOf } from "./answer.ts";
import { type Kind, type KindName, kindOf } from "./kinds.ts";
import { announce, goAway, stopReading, trickle, upload } from "./raw-client.ts";
import { type Materials, type Outgoing, requestsOf } from "./requests.ts";
import type { Turn } from "./turns.ts";

/** What became of one request. */
export type Outcome =
  | { readonly end: "answered"; readonly status: number; readonly cache?: string; readonly wrong?: string }
  /** Our own doing. */
  | { readonly end: "broken-off" }
  /** No answer of the Worker's came, though one was waited for; its log may know the request by `id`. */
  | { readonly end: "lost"; readonly id: string; readonly reason: string };

export type OnOutcome = (kind: KindName, outcome: Outcome, ms: number) => void;

/** Longer than anything takes: a Worker that hangs is found out. */
const timeoutMs = 120_000;

/** Counts requests that are not sent as turns, such as those of an attack. */
export interface Report {
  sent(kind: KindName): void;
  ended(kind: KindName, outcome: Outcome, ms: number): void;
}

/**
 * All requests of one turn at once. Resolves when the last has ended; never rejects.
 * @param startedMs from when their time counts, by performance.now()
 */
export async function sendTurn(
  origin: string,
  turn: Turn,
  materials: Materials,
  onOutcome: OnOutcome,
  startedMs = performance.now(),
): Promise<void> {
  const never = new AbortController().signal;
  const sent = requestsOf(turn, materials).map(async (outgoing, i) => {
    const id = `soak-${materials.seed}-${turn.salt}-${i}`;
    const outcome = await sendRequest(origin, outgoing, turn.kind, id, never);
    onOutcome(turn.kind, outcome, performance.now() - startedMs);
  });
  await Promise.all(sent);
}

/** One request. Never rejects. @param signal makes a client that is slow on purpose go away */
export async function sendRequest(
  origin: string,
  outgoing: Outgoing,
  kind: KindName,
  id: string,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    return await fateOf(origin, outgoing, kindOf(kind), id, signal);
  } catch (error) {
    return { end: "lost", id, reason: reasonOf(error) };
  }
}

async function fateOf(
  origin: string,
  outgoing: Outgoing,
  kind: Kind,
  id: string,
  signal: AbortSignal,
): Promise<Outcome> {
  switch (outgoing.way) {
    case "fetch": {
      const { path, init, check } = outgoing;
      const named = { ...init, headers: { ...(init.headers as Record<string, string>), "X-Request-Id": id } };
      const timeout = AbortSignal.timeout(timeoutMs);
      const answer = await ask(`${origin}${path}`, { ...named, signal: timeout });
      return answered(answer, id, faultOf(answer, kind, check));
    }
    case "announce": {
      const answer = await announce(origin, outgoing.bytes, id);
      return answered(answer, id, faultOf(answer, kind));
    }
    case "go-away": {
      const { body } = outgoing;
      // Refused or not: it did not wait to hear.
      await goAway(origin, body.length, body.subarray(0, body.length >> 1), id).catch(() => {});
      return { end: "broken-off" };
    }
    case "trickle": {
      const answer = await trickle(origin, outgoing, id, signal);
      return answer ? answered(answer, id, faultOf(answer, kind)) : { end: "broken-off" };
    }
    case "upload": {
      const answer = await upload(origin, outgoing, id, AbortSignal.timeout(timeoutMs));
      return answered(answer, id, faultOf(answer, kind));
    }
    case "stop-reading":
      await stopReading(origin, outgoing.path, id, signal);
      return { end: "broken-off" };
  }
}

async function ask(url: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** wrangler's proxy answers by itself when it loses the Worker's connection; the Worker names each request. */
function answered({ status, headers, text }: Answer, id: string, wrong: string | undefined): Outcome {
  if (headers.get("X-Request-Id") !== id) {
    return { end: "lost", id, reason: `${status} by the proxy: ${text.slice(0, 100)}` };
  }
  const cache = headers.get("X-Cache");
  return { end: "answered", status, ...(cache ? { cache } : {}), ...(wrong ? { wrong } : {}) };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error ? `${error.message}: ${cause.message}` : error.message;
}
