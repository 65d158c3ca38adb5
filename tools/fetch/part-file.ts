/**
 * The unfinished download: `<file>.part`, and beside it `<file>.part.json` with the ETag of its bytes. Its failures are
 * this machine's, not a mirror's, and end the command.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { z } from "zod";
import { CommandError } from "../terminal/fail.ts";

const originSchema = z.object({ url: z.string(), etag: z.string() });

export class PartFile {
  readonly target: string;
  readonly path: string;

  constructor(target: string) {
    this.target = target;
    this.path = `${target}.part`;
  }

  get #originPath(): string {
    return `${this.path}.json`;
  }

  /** Bytes that are here; 0 when there is no file. */
  async size(): Promise<number> {
    return (await sizeOf(this.path)) ?? 0;
  }

  /** The strong ETag under which `url` served the bytes that are here. */
  async etagOf(url: string): Promise<string | undefined> {
    const text = await readFile(this.#originPath, "utf8").catch(() => "");
    const origin = originSchema.safeParse(parseJson(text));
    return origin.success && origin.data.url === url ? origin.data.etag : undefined;
  }

  /** Opens for appending, or anew, and notes whose bytes follow. */
  async open(mode: "append" | "anew", url: string, etag: string | null): Promise<FileHandle> {
    return this.#local("written", async () => {
      // A weak ETag promises equal meaning, not equal bytes.
      const strong = etag !== null && !etag.startsWith("W/");
      if (strong) await writeFile(this.#originPath, JSON.stringify({ url, etag }));
      else if (mode === "anew") await rm(this.#originPath, { force: true });
      return open(this.path, mode === "append" ? "a" : "w");
    });
  }

  async write(handle: FileHandle, chunk: Uint8Array): Promise<void> {
    await this.#local("written", () => handle.appendFile(chunk));
  }

  sha256(): Promise<string> {
    return this.#local("read", () => sha256OfFile(this.path));
  }

  /** Gives the verified file its final name. On disk first: a power cut must not leave a hole under that name. */
  async finish(): Promise<void> {
    await this.#local("written", async () => {
      const handle = await open(this.path, "r+");
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(this.path, this.target);
      await rm(this.#originPath, { force: true });
    });
  }

  async discard(): Promise<void> {
    await rm(this.path, { force: true });
    await rm(this.#originPath, { force: true });
  }

  async #local<T>(verb: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new CommandError(
        `${this.path} cannot be ${verb} (${code}); expected a folder with room for the model: choose another with --to`,
        { cause },
      );
    }
  }
}

/** Bytes of a file, undefined when there is none. */
export async function sizeOf(file: string): Promise<number | undefined> {
  return stat(file).then(
    ({ size }) => size,
    () => undefined,
  );
}

/** SHA-256 of a file of any size, in hex. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
