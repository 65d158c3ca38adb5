/** Fetches a model of the catalogue into a folder. */
import { rename } from "node:fs/promises";
import path from "node:path";
import type { Progress } from "../terminal/progress.ts";
import type { CatalogueEntry } from "./catalogue.ts";
import { Download, type DownloadOptions, sha256OfFile, sizeOf } from "./download.ts";
import { withLock } from "./lock.ts";

/** What `fetch --json` prints. */
export interface FetchReport {
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Whether the file was there already. */
  readonly cached: boolean;
  /** New path of a file of that name with other content, which is kept. */
  readonly moved_aside: string | null;
  /** The mirror that served the last byte. */
  readonly url: string | null;
  readonly downloaded_bytes: number;
}

/**
 * Downloads the model unless `folder` has it. The file gets its name only when its size and SHA-256 are as expected.
 * @throws CommandError naming every mirror and its fault when none serves the file
 */
export async function fetchModel(
  model: Pick<CatalogueEntry, "name" | "file" | "bytes" | "sha256" | "urls">,
  folder: string,
  progress: Progress,
  options: DownloadOptions = { stallMs: 30_000, retryDelayMs: 1_000 },
): Promise<FetchReport> {
  const { name, bytes, sha256, urls } = model;
  const file = path.join(folder, model.file);
  const cached = {
    name,
    file,
    bytes,
    sha256,
    cached: true,
    moved_aside: null,
    url: null,
    downloaded_bytes: 0,
  };
  const isThere = async () => (await sizeOf(file)) === bytes && (await sha256OfFile(file)) === sha256;
  if (await isThere()) return cached;
  return withLock(file, async () => {
    // Another process may have finished the download in the meantime.
    if (await isThere()) return cached;
    const moved_aside = (await sizeOf(file)) === undefined ? null : `${file}.wrong`;
    if (moved_aside !== null) await rename(file, moved_aside);
    const onBytes = (have: number) =>
      progress.update(`fetch ${name}, MB`, Math.floor(have / 1e6), Math.floor(bytes / 1e6));
    const download = new Download({ target: file, name, bytes, sha256, onBytes, ...options });
    try {
      const url = await download.run(urls);
      return { ...cached, cached: false, moved_aside, url, downloaded_bytes: download.receivedBytes };
    } finally {
      progress.stop();
    }
  });
}
