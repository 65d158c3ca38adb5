/** Reads head files on this machine. */
import { sha256Hex } from "../../src/bytes/byte-arrays.ts";
import { type Head, parseHead } from "../../src/head/head.ts";
import { maxHeadBytes } from "../../src/limits.ts";
import { FileError } from "../../src/model/json-file.ts";
import { CommandError } from "../terminal/fail.ts";
import { readRequired } from "../terminal/paths.ts";

/** A valid head file. */
export interface LocalHead {
  readonly head: Head;
  /** The bytes of the file. */
  readonly content: Uint8Array;
  readonly sha256: string;
}

/**
 * Reads and checks a head file.
 * @throws CommandError when it cannot be read, when the Worker would not accept its size, or when it is not a head
 */
export async function readLocalHead(file: string): Promise<LocalHead> {
  const content = await readRequired(file, "expected a head file: train one with npm run head -- train");
  if (content.length > maxHeadBytes) {
    throw new CommandError(
      `${file} has ${content.length} bytes; the Worker accepts heads of at most ${maxHeadBytes} bytes`,
      { fix: "train the head with fewer classes" },
    );
  }
  try {
    return { head: await parseHead(content, file), content, sha256: await sha256Hex(content) };
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause;
    throw new CommandError(cause.message, { fix: "expected a head file from npm run head -- train", cause });
  }
}
