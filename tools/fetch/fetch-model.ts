/**
 * A model of the catalogue into a folder: from the first mirror that serves it, under its final name only when its size
 * and SHA-256 are right.
 */
import { rename } from "node:fs/promises";
import path from "node:path";
import { CommandError } from "../terminal/fail.ts";
import type { Progress } from "../terminal/progress.ts";
import type { CatalogueEntry } from "./catalogue.ts";
import { downloadRest, MirrorError } from "./download.ts";
import { withLock } from "./lock.ts";
import { PartFile, sha256OfFile, sizeOf } from "./part-file.ts";

export interface FetchOptions {
  /** Time without a byte after which the next mirror is tried. */
  readonly stallMs: number;
  /** Pause before the same mirror is asked again. */
  readonly retryDelayMs: number;
}

export const defaultFetchOptions: FetchOptions = { stallMs: 30_000, retryDelayMs: 1_000 };
/** Requests to one mirror: each must have got further than the one before. */
const maxAttemptsPerMirror = 20;

export interface FetchReport {
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Whether the file was here already. */
  readonly cached: boolean;
  /** Where a wrong file of that name was moved to. */
  readonly moved_aside: string | null;
  /** The mirror that served the last byte. */
  readonly url: string | null;
  readonly downloaded_bytes: number;
}

type WantedModel = Pick<CatalogueEntry, "name" | "file" | "bytes" | "sha256" | "urls">;

/** @throws CommandError naming every mirror and its reason when none serves the file */
export async function fetchModel(
  model: WantedModel,
  folder: string,
  progress: Progress,
  options: FetchOptions = defaultFetchOptions,
): Promise<FetchReport> {
  const target = path.join(folder, model.file);
  const done = { name: model.name, file: target, bytes: model.bytes, sha256: model.sha256 };
  const cached = { ...done, cached: true, moved_aside: null, url: null, downloaded_bytes: 0 };
  if (await isRight(target, model)) return cached;
  return withLock(target, async () => {
    // Another download may have finished it meanwhile.
    if (await isRight(target, model)) return cached;
    const moved_aside = await moveAside(target);
    const download = new Download(model, new PartFile(target), progress, options);
    const url = await download.run();
    return { ...done, cached: false, moved_aside, url, downloaded_bytes: download.receivedBytes };
  });
}

class Download {
  readonly #model: WantedModel;
  readonly #part: PartFile;
  readonly #progress: Progress;
  readonly #options: FetchOptions;
  receivedBytes = 0;

  constructor(model: WantedModel, part: PartFile, progress: Progress, options: FetchOptions) {
    this.#model = model;
    this.#part = part;
    this.#progress = progress;
    this.#options = options;
  }

  /** @returns the mirror that served the last byte */
  async run(): Promise<string> {
    const failures: string[] = [];
    for (const url of this.#model.urls) {
      try {
        await this.#fromMirror(url);
        await this.#part.finish();
        return url;
      } catch (error) {
        if (!(error instanceof MirrorError)) throw error;
        failures.push(`  ${url}\n    ${error.message}`);
      } finally {
        this.#progress.stop();
      }
    }
    throw new CommandError(
      `${this.#model.name} could not be downloaded:\n${failures.join("\n")}\n` +
        `Run the same command again to go on from where it stopped${proxyHint()}, ` +
        "or use a file of your own: npm run model -- pack path/to/file.onnx",
    );
  }

  async #fromMirror(url: string): Promise<void> {
    const mixed = (await this.#part.size()) > 0;
    await this.#untilComplete(url);
    let actual = await this.#part.sha256();
    if (actual !== this.#model.sha256 && mixed) {
      // The first bytes were of an earlier run or another mirror: this one gets a chance to serve them all.
      await this.#part.discard();
      await this.#untilComplete(url);
      actual = await this.#part.sha256();
    }
    if (actual === this.#model.sha256) return;
    await this.#part.discard();
    throw new MirrorError(`serves another file: its SHA-256 is ${actual}; expected ${this.#model.sha256}`);
  }

  /** Asks again as long as each answer gets further, and once more from the start where the part is refused. */
  async #untilComplete(url: string): Promise<void> {
    const { name, bytes } = this.#model;
    const onBytes = (have: number, received: number) => {
      this.receivedBytes += received;
      this.#progress.update(`fetch ${name}, MB`, toMB(have), toMB(bytes));
    };
    let furthest = await this.#part.size();
    for (let attempt = 1; ; attempt++) {
      try {
        return await downloadRest(url, this.#part, { ...this.#options, expectedBytes: bytes, onBytes });
      } catch (error) {
        if (!(error instanceof MirrorError) || !error.retry || attempt === maxAttemptsPerMirror) throw error;
        const have = await this.#part.size();
        const refused = attempt === 1 && have === 0 && furthest > 0;
        if (have <= furthest && !refused) throw error;
        furthest = have;
      }
      await new Promise((resolve) => setTimeout(resolve, this.#options.retryDelayMs));
    }
  }
}

async function isRight(target: string, model: WantedModel): Promise<boolean> {
  return (await sizeOf(target)) === model.bytes && (await sha256OfFile(target)) === model.sha256;
}

/** A wrong file must not be found under the model's name, and may be dear to somebody. */
async function moveAside(target: string): Promise<string | null> {
  if ((await sizeOf(target)) === undefined) return null;
  const aside = `${target}.wrong`;
  await rename(target, aside);
  return aside;
}

/** Node's fetch ignores HTTPS_PROXY unless it is told. */
function proxyHint(): string {
  const { HTTPS_PROXY, https_proxy, NODE_USE_ENV_PROXY } = process.env;
  if (!(HTTPS_PROXY || https_proxy) || NODE_USE_ENV_PROXY) return "";
  return " (HTTPS_PROXY is set: with NODE_USE_ENV_PROXY=1 it is used)";
}

const toMB = (bytes: number) => Math.floor(bytes / 1e6);
