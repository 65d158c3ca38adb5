/** The images that `npm run classify` is given: files, folders, URLs and standard input. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { defaultMaxImageBytes } from "../../src/limits.ts";
import { CommandError } from "../terminal/fail.ts";
import { imageFiles, readRequired, userPath } from "../terminal/paths.ts";

/** One image that is read when its turn comes. */
export interface Input {
  /** As the user typed it; in a folder, the folder and the path within it. */
  readonly name: string;
  /** @throws CommandError */
  read(): Promise<Uint8Array<ArrayBuffer>>;
}

/** Time for the download of one image. */
const downloadMs = 30_000;

/**
 * Finds the images. Folders are searched recursively for image files. Nothing is downloaded yet.
 * @param typed files, folders, http and https URLs, and "-" for `stdin`
 * @throws CommandError when a file is missing, or when a folder has no such file
 */
export async function findInputs(
  typed: readonly string[],
  stdin: AsyncIterable<Uint8Array>,
): Promise<Input[]> {
  if (typed.filter((name) => name === "-").length > 1) {
    throw new CommandError("- is given twice; expected standard input once, with one image");
  }
  const found: Input[] = [];
  for (const name of typed) {
    if (name === "-") found.push({ name, read: () => readBounded(stdin, "standard input") });
    else if (/^https?:\/\//i.test(name)) found.push({ name, read: () => download(name) });
    else if (await isFolder(name)) found.push(...(await inFolder(name)));
    else found.push({ name, read: () => readRequired(name, "expected an image file") });
  }
  return found;
}

async function isFolder(name: string): Promise<boolean> {
  const found = await stat(userPath(name)).catch(() => undefined);
  if (found) return found.isDirectory();
  throw new CommandError(`${name} is missing`, { fix: "expected an image file, a folder, a URL or -" });
}

async function inFolder(folder: string): Promise<Input[]> {
  return (await imageFiles(userPath(folder))).map((file) => {
    const name = path.join(folder, file);
    return { name, read: () => readRequired(name, "expected an image file") };
  });
}

async function download(url: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(downloadMs) });
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      throw new CommandError(`${url} answered ${response.status}; expected 200 with an image`);
    }
    return await readBounded(response.body, url);
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    const { name, message, cause: inner } = cause as Error;
    const why =
      name === "TimeoutError"
        ? `it took more than ${downloadMs / 1000} s`
        : inner instanceof Error
          ? inner.message
          : message;
    throw new CommandError(`${url} cannot be downloaded: ${why}`, { cause });
  }
}

/** Reads at most the largest image that the Worker accepts by default. */
async function readBounded(
  stream: AsyncIterable<Uint8Array>,
  name: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > defaultMaxImageBytes) {
      throw new CommandError(`${name} has more than ${defaultMaxImageBytes} bytes; expected one image`);
    }
  }
  return Uint8Array.from(Buffer.concat(chunks));
}
