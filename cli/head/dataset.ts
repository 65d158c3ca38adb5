/** Reads a folder of labelled images, one folder per class, and reports every file that it cannot use. */
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { sha256Hex } from "../../src/bytes/byte-arrays.ts";
import { CommandError } from "../terminal/fail.ts";

/** One image file and its class. */
export interface LabelledImage {
  /** Relative to the dataset's folder: `class/file.jpg`. */
  readonly file: string;
  readonly classIndex: number;
  readonly sha256: string;
}

/** A folder of labelled images. */
export interface Dataset {
  readonly folder: string;
  /** Names of the class folders, sorted. */
  readonly classes: readonly string[];
  /** Ordered by class, then by name. */
  readonly images: readonly LabelledImage[];
  /** Entries that cannot be used for training, and why. */
  readonly problems: readonly Problem[];
  /** Files of the operating system, such as .DS_Store. */
  readonly ignored: readonly string[];
}

/** An entry of the folder that cannot be used. */
export interface Problem {
  readonly file: string;
  readonly reason: string;
  /** Whether training makes sense without this entry. */
  readonly canSkip: boolean;
}

const systemFile = /^(\..*|thumbs\.db|desktop\.ini)$/i;

/**
 * Reads the folder's classes and hashes its images.
 * @throws CommandError when the folder cannot be read or has fewer than two class folders
 */
export async function readDataset(folder: string): Promise<Dataset> {
  const problems: Problem[] = [];
  const report = (file: string, reason: string, canSkip = true) => {
    problems.push({ file, reason, canSkip });
  };
  const { folders: classes, files, ignored } = await list(folder);
  for (const file of files) report(file, "is not in a class folder; move it into one");
  if (classes.length < 2) {
    const found = classes.length === 0 ? "no folder" : `one folder, ${classes[0]}`;
    throw new CommandError(
      `${folder} has ${found}; expected at least two, one per class, each with image files of it`,
    );
  }
  const images = new Map<string, LabelledImage>();
  for (const [classIndex, name] of classes.entries()) {
    const entries = await list(path.join(folder, name));
    ignored.push(...entries.ignored.map((entry) => `${name}/${entry}`));
    for (const entry of entries.folders) {
      const hint = "expected image files: move its files up, or make it a class";
      report(`${name}/${entry}`, `is a folder inside a class folder; ${hint}`);
    }
    let readable = false;
    for (const file of entries.files.map((entry) => `${name}/${entry}`)) {
      const bytes = await readImage({ folder }, { file }).catch(({ code }: NodeJS.ErrnoException) => {
        report(file, `cannot be read (${code})`);
      });
      if (!bytes) continue;
      readable = true;
      const sha256 = await sha256Hex(bytes);
      const same = images.get(sha256);
      if (!same) images.set(sha256, { file, classIndex, sha256 });
      else if (same.classIndex === classIndex) report(file, `is the same image as ${same.file}`);
      else report(file, `is the same image as ${same.file}, of another class: remove the wrong one`, false);
    }
    if (!readable) {
      report(`${name}/`, "has no image; expected image files: add some, or remove the folder", false);
    }
  }
  return { folder, classes, images: [...images.values()], problems, ignored };
}

/** Returns the dataset without the images that have a problem. */
export function withoutProblems(dataset: Dataset, problems: readonly Problem[]): Dataset {
  const bad = new Set(problems.map(({ file }) => file));
  return { ...dataset, images: dataset.images.filter(({ file }) => !bad.has(file)) };
}

/** Reads one image of a dataset. */
export function readImage({ folder }: { folder: string }, { file }: { file: string }): Promise<Uint8Array> {
  return readFile(path.join(folder, file));
}

/**
 * Fails if there are problems.
 * @param skip whether to ignore files that can be skipped
 * @throws CommandError that lists every problem
 */
export function refuseOrSkip(problems: readonly Problem[], skip: boolean): void {
  const fatal = skip ? problems.filter(({ canSkip }) => !canSkip) : problems;
  if (fatal.length === 0) return;
  const hint = fatal.every(({ canSkip }) => canSkip)
    ? "\nFix or remove them, or skip them with --skip-unreadable."
    : "";
  throw new CommandError(
    `${fatal.length} of the folder's entries cannot be used; nothing was written:\n${listed(fatal)}${hint}`,
  );
}

/** One line per problem. */
export function listed(problems: readonly Problem[]): string {
  return problems.map(({ file, reason }) => `  ${file}: ${reason}`).join("\n");
}

/** Names in a folder, sorted. Links count as their targets; a broken link counts as a file, which reading reports. */
async function list(folder: string): Promise<Record<"folders" | "files" | "ignored", string[]>> {
  const names = { folders: [] as string[], files: [] as string[], ignored: [] as string[] };
  try {
    for (const name of (await readdir(folder)).sort()) {
      const isFolder = (await stat(path.join(folder, name)).catch(() => undefined))?.isDirectory();
      names[systemFile.test(name) ? "ignored" : isFolder ? "folders" : "files"].push(name);
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CommandError(
      `${folder} cannot be read (${code}); expected a folder with one folder of image files per class`,
      { cause },
    );
  }
  return names;
}
