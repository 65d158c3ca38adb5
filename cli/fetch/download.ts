/** Downloads one file over HTTP: resumes where it stopped, tries mirrors in turn, and accepts only the expected bytes. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "../terminal/fail.ts";

/** When a mirror is given up, and how soon it is asked again. */
export interface DownloadOptions {
  /** Time without a byte after which a mirror counts as hung. */
  readonly stallMs: number;
  /** Pause before the same mirror is asked again. */
  readonly retryDelayMs: number;
}

/** What to download, and where to. */
export interface DownloadJob extends DownloadOptions {
  readonly target: string;
  /** For messages. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Receives the size of the part file after each write. */
  readonly onBytes: (have: number) => void;
}

/** Requests to one mirror. Each must get further than the one before. */
const maxAttemptsPerMirror = 20;

/** A mirror did not deliver the file. */
class MirrorError extends Error {
  /** Whether another request to the same mirror may succeed. */
  readonly retry: boolean;

  constructor(message: string, { retry = false, ...options }: ErrorOptions & { retry?: boolean } = {}) {
    super(message, options);
    this.retry = retry;
  }
}

/**
 * One download. Unverified bytes are in `<target>.part`, and their source is in `<target>.part.json`, so that a later
 * run can resume.
 */
export class Download {
  /** Bytes received by this run. */
  receivedBytes = 0;
  readonly #job: DownloadJob;
  readonly #part: string;
  readonly #origin: string;

  constructor(job: DownloadJob) {
    this.#job = job;
    this.#part = `${job.target}.part`;
    this.#origin = `${job.target}.part.json`;
  }

  /**
   * Downloads from the first mirror that serves the file.
   * @returns the mirror that served the last byte
   * @throws CommandError that names each mirror and its fault, or a disk that cannot be written
   */
  async run(urls: readonly string[]): Promise<string> {
    const faults: string[] = [];
    for (const url of urls) {
      try {
        await this.#fromMirror(url);
        return url;
      } catch (error) {
        if (!(error instanceof MirrorError)) throw error;
        faults.push(`  ${url}\n    ${error.message}`);
      }
    }
    // Node's fetch ignores HTTPS_PROXY unless it is told to use it.
    const { HTTPS_PROXY, https_proxy, NODE_USE_ENV_PROXY } = process.env;
    const unusedProxy = (HTTPS_PROXY || https_proxy) && !NODE_USE_ENV_PROXY;
    throw new CommandError(
      `${this.#job.name} could not be downloaded:\n${faults.join("\n")}\n` +
        "Run the same command again to resume" +
        `${unusedProxy ? " (HTTPS_PROXY is set: NODE_USE_ENV_PROXY=1 makes Node use it)" : ""}, ` +
        "or use a file of your own: npm run model -- pack path/to/file.onnx",
    );
  }

  /** A part file of an earlier run or of another mirror may be wrong: the mirror then gets a second try from zero. */
  async #fromMirror(url: string): Promise<void> {
    const resumed = (await this.#size()) > 0;
    await this.#complete(url);
    if (resumed && (await this.#hash()) !== this.#job.sha256) {
      await this.#discard();
      await this.#complete(url);
    }
    const actual = await this.#hash();
    if (actual === this.#job.sha256) return this.#finish();
    await this.#discard();
    throw new MirrorError(`serves another file: its SHA-256 is ${actual}; expected ${this.#job.sha256}`);
  }

  async #complete(url: string): Promise<void> {
    let furthest = await this.#size();
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#request(url);
      } catch (error) {
        const have = await this.#size();
        const restarted = attempt === 1 && have === 0 && furthest > 0;
        const mayRetry = error instanceof MirrorError && error.retry && attempt < maxAttemptsPerMirror;
        if (!mayRetry || (have <= furthest && !restarted)) throw error;
        furthest = have;
      }
      await sleep(this.#job.retryDelayMs);
    }
  }

  /** Requests the bytes after the end of the part file and appends them. */
  async #request(url: string): Promise<void> {
    let have = await this.#size();
    if (have > this.#job.bytes) have = await this.#discard();
    if (have === this.#job.bytes) return;
    const controller = new AbortController();
    const { stallMs } = this.#job;
    const stalled = new MirrorError(`sent nothing for ${stallMs / 1000} s`, { retry: true });
    const timer = setTimeout(() => controller.abort(stalled), stallMs);
    try {
      const response = await fetch(url, {
        headers: await this.#headers(url, have),
        signal: controller.signal,
      });
      timer.refresh();
      if (!(await this.#resumes(response, have))) have = 0;
      await this.#append(response, url, have, () => timer.refresh());
    } catch (cause) {
      if (cause instanceof CommandError || cause instanceof MirrorError) throw cause;
      throw controller.signal.aborted ? stalled : new MirrorError(reasonOf(cause), { cause, retry: true });
    } finally {
      clearTimeout(timer);
      // Closes the connection of a response that was not read to its end.
      controller.abort();
    }
  }

  async #headers(url: string, have: number): Promise<Record<string, string>> {
    // Ranges and lengths of a compressed response would count other bytes.
    const headers = { "Accept-Encoding": "identity" };
    if (have === 0) return headers;
    const text = await readFile(this.#origin, "utf8").catch(() => "{}");
    const origin = parseOrigin(text);
    const condition = origin.url === url && origin.etag ? { "If-Range": origin.etag } : {};
    return { ...headers, Range: `bytes=${have}-`, ...condition };
  }

  /** Whether the response continues the part file. Otherwise it is the whole file. */
  async #resumes({ status, statusText, headers }: Response, have: number): Promise<boolean> {
    const [, start, total] =
      /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers.get("Content-Range") ?? "") ?? [];
    if (status === 200) {
      const encoded = (headers.get("Content-Encoding") ?? "identity") !== "identity";
      if (!encoded) this.#checkTotal(headers.get("Content-Length") ?? "*");
      return false;
    }
    if (status === 206 && have > 0) {
      if (start === undefined) throw new MirrorError("answered 206 without a Content-Range");
      this.#checkTotal(total);
      if (Number(start) === have) return true;
      throw new MirrorError(`answered with bytes from ${start}; asked for those from ${have}`);
    }
    if (status === 416 && have > 0) {
      this.#checkTotal(total);
      await this.#discard();
      throw new MirrorError("refused to resume the download (416)", { retry: true });
    }
    throw new MirrorError(`answered ${status} ${statusText}`.trim());
  }

  #checkTotal(total = "*"): void {
    if (total === "*" || Number(total) === this.#job.bytes) return;
    throw new MirrorError(`offers ${total} bytes; expected ${this.#job.bytes}`);
  }

  async #append(response: Response, url: string, start: number, onProgress: () => void): Promise<void> {
    const { bytes } = this.#job;
    // A weak ETag promises equal meaning, not equal bytes.
    const etag = response.headers.get("ETag")?.replace(/^W\/.*/, "");
    let have = start;
    const handle = await this.#onDisk(async () => {
      if (etag) await writeFile(this.#origin, JSON.stringify({ url, etag }));
      else if (start === 0) await rm(this.#origin, { force: true });
      return open(this.#part, start > 0 ? "a" : "w");
    });
    try {
      for await (const chunk of response.body ?? []) {
        if (have + chunk.length > bytes) {
          await this.#discard();
          throw new MirrorError(`sends more than the expected ${bytes} bytes`);
        }
        await this.#onDisk(() => handle.appendFile(chunk));
        have += chunk.length;
        this.receivedBytes += chunk.length;
        onProgress();
        this.#job.onBytes(have);
      }
    } finally {
      await handle.close();
    }
    if (have < bytes) throw new MirrorError(`ended after ${have} of ${bytes} bytes`, { retry: true });
  }

  /** Renames the verified file. Syncs first: after a power cut, the final name must not hold a file with gaps. */
  async #finish(): Promise<void> {
    await this.#onDisk(async () => {
      const handle = await open(this.#part, "r+");
      await handle.sync().finally(() => handle.close());
      await rename(this.#part, this.#job.target);
      await rm(this.#origin, { force: true });
    });
  }

  async #size(): Promise<number> {
    return (await sizeOf(this.#part)) ?? 0;
  }

  #hash(): Promise<string> {
    return this.#onDisk(() => sha256OfFile(this.#part));
  }

  /** @returns the size of the part file that is now gone */
  async #discard(): Promise<0> {
    await Promise.all([this.#part, this.#origin].map((file) => rm(file, { force: true })));
    return 0;
  }

  /** Another mirror cannot help where this machine's disk fails: such an error ends the command. */
  async #onDisk<T>(work: () => Promise<T>): Promise<T> {
    return work().catch((cause: NodeJS.ErrnoException) => {
      throw new CommandError(
        `${this.#part} cannot be read or written (${cause.code}); expected a folder with room for the model`,
        { cause, fix: "choose another with --to" },
      );
    });
  }
}

/** Returns the size of a file in bytes, or undefined when there is none. */
export async function sizeOf(file: string): Promise<number | undefined> {
  return (await stat(file).catch(() => undefined))?.size;
}

/** Returns the SHA-256 of a file of any size, in hex. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

function parseOrigin(text: string): { readonly url?: string; readonly etag?: string } {
  try {
    return JSON.parse(text);
  } catch {
    // A run that was killed may have left half a file.
    return {};
  }
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refused the connection",
  ENOTFOUND: "has a host name that cannot be resolved",
  EAI_AGAIN: "has a host name that cannot be resolved",
  ECONNRESET: "cut the connection",
  UND_ERR_SOCKET: "cut the connection",
  UND_ERR_CONNECT_TIMEOUT: "cannot be reached in time",
  ENETUNREACH: "cannot be reached (no network)",
};

/** The messages of fetch ("fetch failed", "terminated") give no reason; the code of a cause does. */
function reasonOf(error: unknown): string {
  const { code, message, cause } = error as NodeJS.ErrnoException;
  if (cause instanceof Error && code === undefined) return reasonOf(cause);
  return code === undefined ? message : `${reasons[code] ?? message} (${code})`;
}
