/** Paths that a user types, and files that must exist. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { CommandError } from "./fail.ts";

/** npm runs scripts in the project's folder. A typed path is relative to the folder in which the user ran npm. */
export function userPath(typed: string): string {
  return path.resolve(process.env.INIT_CWD ?? ".", typed);
}

/**
 * Reads the file at a path that may be typed by a user.
 * @param fix what the user should do if the file is missing or cannot be read
 * @throws CommandError
 */
export async function readRequired(file: string, fix: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readFile(userPath(file));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const what = code === "ENOENT" ? "is missing" : `cannot be read (${code})`;
    throw new CommandError(`${file} ${what}`, { fix, cause });
  }
}
