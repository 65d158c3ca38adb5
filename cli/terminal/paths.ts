/** Paths that a user types, and files that must exist. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { CommandError } from "./fail.ts";

/** npm runs scripts in the project's folder. A typed path is relative to the folder in which the user ran npm. */
export function userPath(typed: string): string {
  return path.resolve(process.env.INIT_CWD ?? ".", typed);
}

/**
 * Lists the image files of a folder and its subfolders, relative to it, sorted.
 * @throws CommandError when the folder cannot be read or has no such file.
 */
export async function imageFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true }).catch((cause: unknown) => {
    const message = `The folder ${folder} cannot be read; expected a folder of image files.`;
    throw new CommandError(message, { cause });
  });
  const files = entries.filter((file) => /\.(jpe?g|png|webp|gif)$/i.test(file)).sort();
  if (files.length > 0) return files;
  throw new CommandError(
    `The folder ${folder} has no .jpg, .jpeg, .png, .webp or .gif file; expected photographs like those to classify.`,
  );
}

/** Returns what a user types for a path: relative to the folder in which the user ran npm, if the path is in it. */
export function typedPath(file: string): string {
  const relative = path.relative(userPath("."), file);
  // "./" tells the path from the name of a pack.
  return relative === "" || relative.startsWith("..") ? file : `./${relative}`;
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
