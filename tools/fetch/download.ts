/**
 * One request for the rest of a file: from where its part file ends, by Range. Never writes more than the expected
 * bytes. Whether they are the right ones is for the caller to check.
 */
import type { PartFile } from "./part-file.ts";

/** Why a mirror gave no file, in a few words. */
export class MirrorError extends Error {
  override readonly name = "MirrorError";
  /** Whether the same mirror may be asked again, for the rest or from the start. */
  readonly retry: boolean;

  constructor(message: string, options: ErrorOptions & { retry?: boolean } = {}) {
    super(message, options);
    this.retry = options.retry ?? false;
  }
}

export interface DownloadOptions {
  readonly expectedBytes: number;
  /** Time without a byte after which the mirror counts as hung. */
  readonly stallMs: number;
  /** Called for each piece that is written: how much is here now, and how much of it just came. */
  readonly onBytes: (have: number, received: number) => void;
}

/**
 * @throws MirrorError when the part file is not complete afterwards
 * @throws CommandError when it cannot be written
 */
export async function downloadRest(url: string, part: PartFile, options: DownloadOptions): Promise<void> {
  const { expectedBytes } = options;
  let have = await part.size();
  if (have > expectedBytes) {
    await part.discard();
    have = 0;
  }
  if (have === expectedBytes) return;
  const watchdog = new Watchdog(options.stallMs);
  try {
    const response = await watchdog.guard(request(url, have, await part.etagOf(url), watchdog.signal));
    const resumed = await checkResponse(response, have, part, expectedBytes);
    await store(response, url, resumed ? have : 0, part, options, watchdog);
  } finally {
    watchdog.stop();
  }
}

function request(url: string, have: number, etag: string | undefined, signal: AbortSignal) {
  // A compressed answer would make ranges and lengths mean something else.
  const headers: Record<string, string> = { "Accept-Encoding": "identity" };
  if (have > 0) headers.Range = `bytes=${have}-`;
  if (have > 0 && etag !== undefined) headers["If-Range"] = etag;
  return fetch(url, { headers, signal, redirect: "follow" });
}

/** Whether the body goes on where the part file ends; otherwise it is the whole file. */
async function checkResponse(
  response: Response,
  have: number,
  part: PartFile,
  expectedBytes: number,
): Promise<boolean> {
  if (response.status === 200) {
    // Of a body compressed against our wish, the length says nothing.
    const encoded = (response.headers.get("Content-Encoding") ?? "identity") !== "identity";
    if (!encoded) checkTotal(response.headers.get("Content-Length"), expectedBytes);
    return false;
  }
  if (response.status === 206 && have > 0) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("Content-Range") ?? "");
    if (!range) throw new MirrorError("answered 206 without a Content-Range");
    checkTotal(range[2] === "*" ? null : (range[2] ?? null), expectedBytes);
    if (Number(range[1]) !== have) {
      throw new MirrorError(`answered with bytes from ${range[1]}; asked for those from ${have}`);
    }
    return true;
  }
  if (response.status === 416 && have > 0) {
    checkTotal(
      /^bytes \*\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1] ?? null,
      expectedBytes,
    );
    await part.discard();
    throw new MirrorError("refused to go on from a part of the file (416)", { retry: true });
  }
  throw new MirrorError(`answered ${response.status} ${response.statusText}`.trim());
}

function checkTotal(total: string | null, expectedBytes: number): void {
  if (total === null || Number(total) === expectedBytes) return;
  throw new MirrorError(`offers ${total} bytes; expected ${expectedBytes}`);
}

async function store(
  response: Response,
  url: string,
  start: number,
  part: PartFile,
  options: DownloadOptions,
  watchdog: Watchdog,
): Promise<void> {
  const { expectedBytes, onBytes } = options;
  const handle = await part.open(start > 0 ? "append" : "anew", url, response.headers.get("ETag"));
  let have = start;
  try {
    const reader = response.body?.getReader();
    while (reader) {
      const { done, value } = await watchdog.guard(reader.read());
      if (done) break;
      if (have + value.length > expectedBytes) {
        await part.discard();
        throw new MirrorError(`sends more than the expected ${expectedBytes} bytes`);
      }
      await part.write(handle, value);
      have += value.length;
      onBytes(have, value.length);
    }
  } finally {
    await handle.close();
  }
  if (have < expectedBytes) {
    throw new MirrorError(`ended after ${have} of ${expectedBytes} bytes`, { retry: true });
  }
}

/** Aborts what makes no progress, and turns the platform's failures into a mirror's. */
class Watchdog {
  readonly #stallMs: number;
  readonly #controller = new AbortController();

  constructor(stallMs: number) {
    this.#stallMs = stallMs;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async guard<T>(step: Promise<T>): Promise<T> {
    let stalled = false;
    const timer = setTimeout(() => {
      stalled = true;
      this.#controller.abort();
    }, this.#stallMs);
    try {
      return await step;
    } catch (cause) {
      if (stalled)
        throw new MirrorError(`sent nothing for ${this.#stallMs / 1000} s`, { cause, retry: true });
      throw new MirrorError(reasonOf(cause), { cause, retry: true });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets go of the connection. */
  stop(): void {
    this.#controller.abort();
  }
}

/** `fetch failed` and `terminated` say nothing; their cause does. */
function reasonOf(error: unknown): string {
  const causes: Error[] = [];
  for (let e = error; e instanceof Error && causes.length < 5; e = e.cause) causes.push(e);
  const code = causes.map((e) => (e as NodeJS.ErrnoException).code).find((c) => typeof c === "string");
  const known: Record<string, string> = {
    ECONNREFUSED: "refused the connection",
    ENOTFOUND: "has a host name that cannot be resolved",
    EAI_AGAIN: "has a host name that cannot be resolved",
    ECONNRESET: "cut the connection",
    UND_ERR_SOCKET: "cut the connection",
    UND_ERR_CONNECT_TIMEOUT: "cannot be reached in time",
    ENETUNREACH: "cannot be reached (no network)",
  };
  const text = (code && known[code]) ?? causes.at(-1)?.message ?? String(error);
  return code ? `${text} (${code})` : text;
}
