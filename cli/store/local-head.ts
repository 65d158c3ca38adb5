/** A head file of this machine, checked before anything is done with it. */
import { readFile } from "node:fs/promises";
import { sha256Hex } from "../../src/bytes/sha256.ts";
import { type Head, parseHead } from "../../src/head/head.ts";
import { maxHeadBytes } from "../../src/limits.ts";
import { FileError } from "../../src/model/json-file.ts";
import { CommandError } from "../terminal/fail.ts";
import { userPath } from "../terminal/paths.ts";

export interface LocalHead {
  readonly head: Head;
  /** The file as it is. */
  readonly content: Uint8Array;
  readonly sha256: string;
}

/** @throws CommandError when it cannot be read, is larger than the Worker takes, or is no head */
export async function readLocalHead(typed: string): Promise<LocalHead> {
  const content = await readRequired(userPath(typed));
  if (content.length > maxHeadBytes) {
    throw new CommandError(
      `${typed} has ${content.length} bytes; the Worker takes heads of at most ${maxHeadBytes}: train it with fewer classes`,
    );
  }
  try {
    return { head: await parseHead(content, typed), content, sha256: await sha256Hex(content) };
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause;
    throw new CommandError(`${cause.message}; expected a head file from npm run head -- train`, { cause });
  }
}

async function readRequired(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new CommandError(`${file} ${missing ? "is missing" : "cannot be read"}; expected a head file`, {
      cause,
    });
  }
}
