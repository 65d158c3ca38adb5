/** Labels of a pack: from a file, ImageNet's for 1000 classes, or numbers. Labels of a head: from a file. */
import { readFile } from "node:fs/promises";
import { basename, join, parse } from "node:path";
import { type Label, labelsSchema } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import type { ImageSet } from "./images.ts";

/** Line i is class i: WNID, then the synonyms, as in synset.txt of the ONNX model zoo. */
const imageNetFile = join(import.meta.dirname, "imagenet-labels.txt");
const imageNetClasses = 1000;

/**
 * Reads or makes the labels of a model.
 * @param file JSON (an array of strings, or of {id, label, group?}), or text with one label per line; null for none.
 * @throws CommandError when the file cannot be read, does not have one label per class, or has a label that the Worker
 *   refuses.
 */
export async function readLabels(file: string | null, classes: number): Promise<Label[]> {
  if (file === null && classes !== imageNetClasses) {
    return Array.from({ length: classes }, (_, index) => ({
      id: `class-${index}`,
      label: numberedLabel(index),
    }));
  }
  const path = file ?? imageNetFile;
  const labels = await readEntries(path, toLabel);
  if (labels.length !== classes) {
    throw new CommandError(
      `${path} has ${labels.length} labels; expected ${classes}, one for each class of the model, in its order.`,
    );
  }
  return checkLabels(path, labels);
}

/**
 * Reads the display names of a head's classes.
 * @param file JSON (an array of {id, label, group?}), or text with a folder and its display name on each line, in any order
 * @param folders of the classes, which become the ids
 * @returns one label per folder, in the order of `folders`
 * @throws CommandError when the file cannot be read, has a label that the Worker refuses, names another folder, or does not
 *   name each folder once
 */
export async function readClassLabels(file: string, folders: readonly string[]): Promise<Label[]> {
  const longestFirst = folders.toSorted((a, b) => b.length - a.length);
  const entries = await readEntries(file, (line) => {
    // A folder may have spaces in its name.
    const id = longestFirst.find(
      (folder) => line.startsWith(folder) && /^(\s|$)/.test(line.slice(folder.length)),
    );
    return { id: id ?? line, label: line.slice(id?.length).trim() || line };
  });
  const labels = checkLabels(file, entries);
  const ids = labels.map(({ id }) => id);
  const faults = [
    ["has no line for", folders.filter((folder) => !ids.includes(folder))],
    ["names what is no class folder:", ids.filter((id) => !folders.includes(id))],
    ["names more than once:", [...new Set(ids.filter((id, i) => ids.indexOf(id) !== i))]],
  ] as const;
  const found = faults.flatMap(([what, names]) => (names.length > 0 ? [`${what} ${names.join(", ")}`] : []));
  if (found.length === 0) return folders.map((folder) => labels[ids.indexOf(folder)]!);
  throw new CommandError(`${file} ${found.join("; ")}`, {
    fix: `expected each class folder and its display name once, as in "${folders[0]} My name", or JSON with {"id", "label"}`,
  });
}

/** Reads the entries of a labels file. @param parseLine reads a line of text, without white space around it */
async function readEntries(
  path: string,
  parseLine: (line: string, index: number) => Label,
): Promise<unknown[]> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    const message = `The labels file ${path} cannot be read; expected text with one label per line, or JSON.`;
    throw new CommandError(message, { cause });
  });
  if (text.trimStart().startsWith("[")) return parseJson(text, path);
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  while (lines.at(-1) === "") lines.pop();
  return lines.map(parseLine);
}

function checkLabels(path: string, labels: readonly unknown[]): Label[] {
  const parsed = labelsSchema.safeParse(labels);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CommandError(
    `${path}: entry ${issue?.path.join(".")}: ${issue?.message}; expected an array of strings or of {"id", "label"}, or one label per line.`,
  );
}

/** Labels of classes whose ids are their names. */
export function plainLabels(names: readonly string[]): Label[] {
  return names.map((name) => ({ id: name, label: name }));
}

/** Label of a class without a name. */
export function numberedLabel(index: number): string {
  return `class ${index}`;
}

/** Reads a line: a label, or a WNID and a label. An empty line has a class without a name. */
function toLabel(line: string, index: number): Label {
  const wordNet = /^(n\d{8})\s+(.+)$/.exec(line);
  const name = line === "" ? numberedLabel(index) : line;
  return wordNet ? { id: wordNet[1]!, label: wordNet[2]! } : { id: name, label: name };
}

function parseJson(text: string, path: string): unknown[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const message = `${path} begins as JSON but does not parse; fix it, or write one label per line.`;
    throw new CommandError(message, { cause });
  }
  if (!Array.isArray(json)) {
    throw new CommandError(`${path} is JSON but not an array; expected one entry per class.`);
  }
  return json.map((entry: unknown) => (typeof entry === "string" ? { id: entry, label: entry } : entry));
}

/**
 * Reads the class of an image from its path: its folder's name, else its file name, starts with a label, the label's first
 * synonym or its id. What follows is set off by a hyphen, underscore or space, as in `truck/1.jpg`, `truck-0517.jpg` and
 * `n01534433_junco.JPEG`.
 * @returns A function that returns the class index, or null when no label matches. The longest match wins.
 */
export function classFromPath(labels: readonly Label[]): (path: string) => number | null {
  const keys = labels.flatMap(({ id, label }, index) =>
    [id, label, label.split(",")[0]!].map((key) => ({ key: slug(key), index })),
  );
  keys.sort((a, b) => b.key.length - a.key.length);
  const find = (text: string) => {
    const name = `${slug(text)}-`;
    return keys.find(({ key }) => name.startsWith(`${key}-`))?.index ?? null;
  };
  return (path) => {
    const { dir, name } = parse(path);
    return find(basename(dir)) ?? find(name);
  };
}

/**
 * Reads the class of every image, before anything slow runs on them.
 * @returns The class index of each image.
 * @throws CommandError naming the first image without a class.
 */
export function classesOf(images: Pick<ImageSet, "count" | "name">, labels: readonly Label[]): number[] {
  const classOf = classFromPath(labels);
  return Array.from({ length: images.count }, (_, index) => {
    const found = classOf(images.name(index));
    if (found !== null) return found;
    throw new CommandError(
      `The photograph ${images.name(index)} has no class; expected it in a folder named like a label, or a name that starts with one, as in ${labels[0]!.label.split(",")[0]}/1.jpg or ${labels[0]!.id}-1.jpg.`,
    );
  });
}

function slug(text: string): string {
  const words = text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-");
  return words.replace(/^-|-$/g, "");
}
