/** A folder of labelled images: one folder a class. What does not fit is named; nothing is passed over in silence. */
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { sha256Hex } from "../../src/sha256.ts";
import { CommandError } from "../terminal/fail.ts";

export interface LabelledImage {
  /** Relative to the folder: `class/file.jpg`. */
  readonly file: string;
  readonly classIndex: number;
  readonly sha256: string;
}

export interface Dataset {
  readonly folder: string;
  /** Names of the folders, sorted. */
  readonly classes: readonly string[];
  /** In the order of classes and names. */
  readonly images: readonly LabelledImage[];
  /** What cannot be trained on, and why. */
  readonly problems: readonly Problem[];
  /** Files that the system leaves behind, such as .DS_Store. */
  readonly ignored: readonly string[];
}

export interface Problem {
  readonly file: string;
  readonly reason: string;
  /** Whether the rest can be used without this file. */
  readonly canSkip: boolean;
}

const systemFile = /^(\..*|thumbs\.db|desktop\.ini)$/i;

/** @throws CommandError where the folder cannot be read or has fewer than two classes */
export async function readDataset(folder: string): Promise<Dataset> {
  const entries = await list(folder);
  const ignored: string[] = [];
  const problems: Problem[] = [];
  const classes: string[] = [];
  for (const entry of entries) {
    if (systemFile.test(entry.name)) ignored.push(entry.name);
    else if (entry.isFolder) classes.push(entry.name);
    else
      problems.push({
        file: entry.name,
        reason: "stands beside the class folders; expected it in one of them",
        canSkip: true,
      });
  }
  if (classes.length < 2) {
    const found = classes.length === 0 ? "no folder" : `one folder, ${classes[0]}`;
    throw new CommandError(
      `${folder} has ${found}; expected at least two, one a class, each with JPEG files of it.`,
    );
  }
  const images: LabelledImage[] = [];
  for (const [classIndex, name] of classes.entries()) {
    images.push(...(await readClass(folder, name, classIndex, problems, ignored)));
  }
  return withoutDuplicates({ folder, classes, images, problems, ignored });
}

export async function readImage(
  { folder }: Pick<Dataset, "folder">,
  { file }: Pick<LabelledImage, "file">,
): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path.join(folder, file)));
}

async function readClass(
  folder: string,
  name: string,
  classIndex: number,
  problems: Problem[],
  ignored: string[],
): Promise<LabelledImage[]> {
  const images: LabelledImage[] = [];
  for (const entry of await list(path.join(folder, name))) {
    const file = `${name}/${entry.name}`;
    if (systemFile.test(entry.name)) {
      ignored.push(file);
    } else if (entry.isFolder) {
      problems.push({
        file,
        reason: "is a folder in a class's folder; expected JPEG files: move them up, or make it a class",
        canSkip: true,
      });
    } else {
      try {
        images.push({ file, classIndex, sha256: await sha256Hex(await readImage({ folder }, { file })) });
      } catch (cause) {
        problems.push({ file, reason: `cannot be read (${codeOf(cause)})`, canSkip: true });
      }
    }
  }
  if (images.length === 0) {
    problems.push({
      file: `${name}/`,
      reason: "has no image; expected JPEG files: add some, or remove the folder",
      canSkip: false,
    });
  }
  return images;
}

/** Equal images: of two classes they contradict each other; within one the first stays. */
function withoutDuplicates(dataset: Dataset): Dataset {
  const problems = [...dataset.problems];
  const first = new Map<string, LabelledImage>();
  const images: LabelledImage[] = [];
  for (const image of dataset.images) {
    const known = first.get(image.sha256);
    if (!known) {
      first.set(image.sha256, image);
      images.push(image);
    } else if (known.classIndex === image.classIndex) {
      problems.push({ file: image.file, reason: `is the same image as ${known.file}`, canSkip: true });
    } else {
      problems.push({
        file: image.file,
        reason: `is the same image as ${known.file}, of another class: remove the wrong one`,
        canSkip: false,
      });
    }
  }
  return { ...dataset, images, problems };
}

interface Entry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** In the order of their names; links count as what they lead to. */
async function list(folder: string): Promise<Entry[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const kinds = entries.map(async (entry) => ({
      name: entry.name,
      isFolder: entry.isSymbolicLink()
        ? await leadsToFolder(path.join(folder, entry.name))
        : entry.isDirectory(),
    }));
    return (await Promise.all(kinds)).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (cause) {
    throw new CommandError(
      `${folder} cannot be read (${codeOf(cause)}); expected a folder with one folder of JPEG files a class.`,
      { cause },
    );
  }
}

/** A link to nowhere is no folder: reading it as a file tells what is wrong. */
function leadsToFolder(link: string): Promise<boolean> {
  return stat(link).then(
    (target) => target.isDirectory(),
    () => false,
  );
}

function codeOf(cause: unknown): string {
  return (cause as NodeJS.ErrnoException).code ?? String(cause);
}
