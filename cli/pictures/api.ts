/** The routes /v1/pictures of a running Worker, for commands. docs/bucket.md describes them. */
import { setTimeout as sleep } from "node:timers/promises";
import { servingOf } from "../store/deployment.ts";
import { type Send, sendTo } from "../store/worker-http.ts";
import { CommandError } from "../terminal/fail.ts";

/** Address of a Worker that `npm start` serves. */
const localWorker = "http://localhost:8787";

/** Which Worker a command talks to. */
export interface WorkerChoice {
  /** Address of the Worker. */
  readonly worker?: string | undefined;
  /** The deployed Worker: its address is the first route of wrangler.toml, unless `worker` names it. */
  readonly remote?: boolean | undefined;
}

/** Answer of GET /v1/pictures/status. */
export interface Status {
  readonly pictures: number;
  readonly current: number;
  readonly stale: number;
  readonly failed: number;
  readonly failures: readonly { readonly code: string; readonly count: number }[];
  readonly dead_letters: { readonly count: number; readonly keys: readonly string[] };
  readonly waiting: number;
}

/** Answer of POST /v1/pictures/label and /retry. */
export interface WorkPage {
  readonly listed: number;
  readonly enqueued: number;
  readonly cursor: string | null;
}

/** A labelled object, or one that could not be labelled. */
export interface Picture {
  readonly key: string;
  readonly etag: string;
  readonly uploaded: string;
  readonly labelled_at: string;
  readonly stale: boolean;
  readonly image?: { readonly sha256: string; readonly width: number; readonly height: number };
  readonly model?: { readonly name: string; readonly version: string };
  readonly head?: { readonly name: string; readonly version: string };
  readonly predictions?: readonly { readonly label: string; readonly score: number }[];
  readonly error?: { readonly code: string; readonly detail: string };
  readonly quarantined_from?: string;
  readonly features?: string;
}

/** Attempts while the Worker answers 503. */
const attempts = 5;

/** Calls the routes. Every method throws CommandError if the Worker does not do what is asked. */
export class PicturesApi {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  status(): Promise<Status> {
    return this.#ask("/v1/pictures/status");
  }

  /** Returns one page of pictures. */
  list(query: Readonly<Record<string, string>>): Promise<{ pictures: readonly Picture[]; cursor?: string }> {
    return this.#ask(`/v1/pictures?${new URLSearchParams(query)}`);
  }

  /** Enqueues the objects of all pages that lack a label. Calling it again enqueues what is still missing. */
  labelPages(request: {
    prefix?: string | undefined;
    stale?: boolean | undefined;
  }): AsyncGenerator<WorkPage> {
    return this.#pages("/v1/pictures/label", request);
  }

  /** Enqueues what failed. */
  retryPages(): AsyncGenerator<WorkPage> {
    return this.#pages("/v1/pictures/retry", {});
  }

  /** Enqueues up to 100 event notifications. */
  sendEvents(events: readonly object[]): Promise<{ enqueued: number }> {
    return this.#ask("/v1/pictures/events", { events });
  }

  async *#pages(path: string, request: object): AsyncGenerator<WorkPage> {
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: WorkPage = await this.#ask(path, { ...request, ...(cursor && { cursor }) });
      yield page;
      cursor = page.cursor;
    }
  }

  async #ask<T>(path: string, body?: object): Promise<T> {
    const headers = { "Content-Type": "application/json" };
    const init = body && { method: "POST", body: JSON.stringify(body), headers };
    for (let attempt = 1; ; attempt++) {
      const response = await this.#send(path, init);
      const answer = (await response.json().catch(() => ({}))) as { detail?: string };
      if (response.ok) return answer as T;
      if (response.status !== 503 || attempt === attempts) {
        const detail = answer.detail ?? "expected a Worker of this project";
        throw new CommandError(`${path.split("?")[0]} answers ${response.status}: ${detail}`);
      }
      await sleep(1000 * Number(response.headers.get("Retry-After") ?? 1));
    }
  }
}

/**
 * Connects to the Worker that the options choose. The key is in the environment variable EDGE_RESNET_KEY.
 * @throws CommandError when no address is known
 */
export async function connect({ worker, remote }: WorkerChoice): Promise<PicturesApi> {
  const key = process.env.EDGE_RESNET_KEY;
  if (worker !== undefined) return new PicturesApi(sendTo(worker, key));
  if (!remote) {
    const fix =
      "start it first (npm start -- --pictures DIR, or npm start with the bucket enabled in wrangler.toml): the local queue exists only while the Worker runs";
    return new PicturesApi(sendTo(localWorker, key, fix));
  }
  // Imported here because loading wrangler takes most of a second, which help does not need.
  const { readProjectConfig } = await import("../store/platform-config.ts");
  const { cacheHost } = servingOf(readProjectConfig());
  if (cacheHost !== undefined) return new PicturesApi(sendTo(`https://${cacheHost}`, key));
  throw new CommandError("wrangler.toml has no route that names the Worker's host", {
    fix: "name its address: --worker https://NAME.SUBDOMAIN.workers.dev",
  });
}
