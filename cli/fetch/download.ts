/** Downloads one file over HTTP: resumes where it stopped, tries mirrors in turn, and accepts only the expected bytes. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "../terminal/fail.ts";

/** What to download, and where to. */
export interface DownloadJob {
  readonly target: string;
  /** File with the bytes so far. Their source is in `<part>.json`, so that a later run can resume. */
  readonly part: string;
  /** For messages. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Mirrors, in the order in which they are tried. */
  readonly urls: readonly string[];
  /** Receives the number of bytes of each chunk, and the size of the part file after it. */
  readonly onBytes: (received: number, have: number) => void;
  /** Time without a byte after which a mirror counts as hung. */
  readonly stallMs: number;
  /** Pause before the next request to the same mirror. */
  readonly retryDelayMs: number;
}

/** Requests to one mirror. Each must get further than the one before. */
const maxAttemptsPerMirror = 20;

/** A mirror did not deliver the file. */
class MirrorError extends Error {}

/**
 * Downloads the file from the first mirror that serves the expected bytes.
 * @returns the mirror that served the last byte
 * @throws CommandError that names each mirror and its fault, or a disk that cannot be written
 */
export async function download(job: DownloadJob): Promise<string> {
  const faults: string[] = [];
  for (const url of job.urls) {
    try {
      await fromMirror(job, url);
      await finish(job);
      return url;
    } catch (error) {
      if (!(error instanceof MirrorError)) throw diskFailure(job, error);
      faults.push(`  ${url}\n    ${error.message}`);
    }
  }
  // Node's fetch ignores HTTPS_PROXY by default.
  const { HTTPS_PROXY, https_proxy, NODE_USE_ENV_PROXY } = process.env;
  const unusedProxy = (HTTPS_PROXY || https_proxy) && !NODE_USE_ENV_PROXY;
  const hint = unusedProxy ? " (HTTPS_PROXY is set: NODE_USE_ENV_PROXY=1 makes Node use it)" : "";
  throw new CommandError(
    `${job.name} could not be downloaded:\n${faults.join("\n")}\n` +
      `Run the same command again to resume${hint}, ` +
      "or use a file of your own: npm run model -- pack path/to/file.onnx",
  );
}

/** A part file of an earlier run or of another mirror may be wrong. The mirror then serves the file from its start. */
async function fromMirror(job: DownloadJob, url: string): Promise<void> {
  for (;;) {
    const resumed = (await sizeOf(job.part)) > 0;
    await complete(job, url);
    const actual = await sha256OfFile(job.part);
    if (actual === job.sha256) return;
    await discard(job);
    if (resumed) continue;
    throw new MirrorError(`serves another file: its SHA-256 is ${actual}; expected ${job.sha256}`);
  }
}

/** Requests the rest of the file until it is complete, as long as each request gets further or starts again once. */
async function complete(job: DownloadJob, url: string): Promise<void> {
  let furthest = await sizeOf(job.part);
  for (let attempt = 1; ; attempt++) {
    try {
      return await requestRest(job, url);
    } catch (error) {
      const have = await sizeOf(job.part);
      const restarted = attempt === 1 && have === 0 && furthest > 0;
      const mayRetry = error instanceof MirrorError && attempt < maxAttemptsPerMirror;
      if (!mayRetry || (have <= furthest && !restarted)) throw error;
      furthest = have;
    }
    await sleep(job.retryDelayMs);
  }
}

/** Requests the bytes after the end of the part file and appends them. */
async function requestRest(job: DownloadJob, url: string): Promise<void> {
  if ((await sizeOf(job.part)) > job.bytes) await discard(job);
  const have = await sizeOf(job.part);
  if (have === job.bytes) return;
  // Ranges and lengths of a compressed response would count other bytes.
  const headers: Record<string, string> = { "Accept-Encoding": "identity" };
  if (have > 0) {
    headers.Range = `bytes=${have}-`;
    const origin = await readOrigin(job);
    if (origin.url === url && origin.etag) headers["If-Range"] = origin.etag;
  }
  const controller = new AbortController();
  const stalled = new MirrorError(`sent nothing for ${job.stallMs / 1000} s`);
  const timer = setTimeout(() => controller.abort(stalled), job.stallMs);
  try {
    const response = await fetch(url, { headers, signal: controller.signal });
    timer.refresh();
    const start = (await resumes(job, response, have)) ? have : 0;
    await append(job, response, url, start, () => timer.refresh());
  } catch (cause) {
    if (controller.signal.aborted) throw stalled;
    // fetch reports a broken connection as a TypeError.
    throw cause instanceof TypeError ? new MirrorError(reasonOf(cause), { cause }) : cause;
  } finally {
    clearTimeout(timer);
    // Closes the connection of a response that was not read to its end.
    controller.abort();
  }
}

/** Whether the response continues the part file. Otherwise it is the whole file. */
async function resumes(job: DownloadJob, response: Response, have: number): Promise<boolean> {
  const { status, statusText, headers } = response;
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers.get("Content-Range") ?? "");
  const [, start, total = "*"] = range ?? [];
  const encoded = (headers.get("Content-Encoding") ?? "identity") !== "identity";
  const length = status !== 200 ? total : encoded ? "*" : (headers.get("Content-Length") ?? "*");
  if (status !== 200 && (have === 0 || (status !== 206 && status !== 416))) {
    throw new MirrorError(`answered ${status} ${statusText}`.trim());
  }
  if (status === 206 && start === undefined) throw new MirrorError("answered 206 without a Content-Range");
  if (length !== "*" && Number(length) !== job.bytes) {
    throw new MirrorError(`offers ${length} bytes; expected ${job.bytes}`);
  }
  if (status === 416) {
    await discard(job);
    throw new MirrorError("refused to resume the download (416)");
  }
  if (status === 200 || Number(start) === have) return status === 206;
  throw new MirrorError(`answered with bytes from ${start}; asked for those from ${have}`);
}

async function append(
  job: DownloadJob,
  response: Response,
  url: string,
  start: number,
  onChunk: () => void,
): Promise<void> {
  // A weak ETag promises equal meaning, not equal bytes.
  const etag = response.headers.get("ETag")?.replace(/^W\/.*/, "");
  if (etag) await writeFile(originOf(job), JSON.stringify({ url, etag }));
  else if (start === 0) await rm(originOf(job), { force: true });
  let have = start;
  const handle = await open(job.part, start > 0 ? "a" : "w");
  try {
    for await (const chunk of response.body ?? []) {
      if (have + chunk.length > job.bytes) {
        await discard(job);
        throw new MirrorError(`sends more than the expected ${job.bytes} bytes`);
      }
      await handle.appendFile(chunk);
      have += chunk.length;
      onChunk();
      job.onBytes(chunk.length, have);
    }
  } finally {
    await handle.close();
  }
  if (have < job.bytes) throw new MirrorError(`ended after ${have} of ${job.bytes} bytes`);
}

/** Renames the verified file. Syncs first: after a power cut, the final name must not hold a file with gaps. */
async function finish(job: DownloadJob): Promise<void> {
  const handle = await open(job.part, "r+");
  await handle.sync().finally(() => handle.close());
  await rename(job.part, job.target);
  await rm(originOf(job), { force: true });
}

async function discard(job: DownloadJob): Promise<void> {
  for (const file of [job.part, originOf(job)]) await rm(file, { force: true });
}

/** Another mirror cannot help when this machine's disk fails. Returns other errors unchanged. */
function diskFailure({ part }: DownloadJob, cause: unknown): unknown {
  const { code, syscall } = cause as NodeJS.ErrnoException;
  if (syscall === undefined) return cause;
  return new CommandError(
    `${part} cannot be read or written (${code}); expected a folder with room for the model`,
    { cause, fix: "choose another with --to" },
  );
}

/** Returns the size of a file in bytes, 0 when there is none. */
export async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => ({ size: 0 }))).size;
}

/** Returns the SHA-256 of a file of any size, in hex. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

function originOf({ part }: DownloadJob): string {
  return `${part}.json`;
}

async function readOrigin(job: DownloadJob): Promise<{ readonly url?: string; readonly etag?: string }> {
  try {
    return JSON.parse(await readFile(originOf(job), "utf8"));
  } catch {
    // Missing, or half a file that a killed run left.
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

/** Explains an error of fetch. Its message ("fetch failed", "terminated") gives no reason; the code of its cause does. */
function reasonOf(error: unknown): string {
  const { code, message, cause } = error as NodeJS.ErrnoException;
  if (cause instanceof Error && code === undefined) return reasonOf(cause);
  return code === undefined ? message : `${reasons[code] ?? message} (${code})`;
}
