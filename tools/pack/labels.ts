/** Labels of a pack: from a file, ImageNet's where the model has 1000 classes, or numbers. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Label, labelsSchema } from "../../src/model/manifest.ts";
import { PackError } from "./errors.ts";

/** Line i is class i: WNID, then the synonyms, as in the synset.txt of the ONNX model zoo. */
const imageNetFile = join(import.meta.dirname, "imagenet-labels.txt");
const imageNetClasses = 1000;

/**
 * @param file JSON (an array of strings, or of {id, label}), or text with one label a line; null for none.
 * @throws PackError when the file cannot be read, has another number of labels than the model has classes, or has a
 * label that the Worker refuses.
 */
export async function readLabels(file: string | null, classes: number): Promise<Label[]> {
  if (file === null && classes !== imageNetClasses) {
    return Array.from({ length: classes }, (_, index) => ({ id: `class-${index}`, label: `class ${index}` }));
  }
  const path = file ?? imageNetFile;
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new PackError(
      `The labels file ${path} cannot be read; expected text with one label a line, or JSON.`,
      {
        cause,
      },
    );
  });
  const labels: readonly unknown[] = text.trimStart().startsWith("[")
    ? parseJson(text, path)
    : parseLines(text);
  if (labels.length !== classes) {
    throw new PackError(
      `${path} has ${labels.length} labels; expected ${classes}, one for each class of the model, in its order.`,
    );
  }
  const parsed = labelsSchema.safeParse(labels);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new PackError(
    `${path}: entry ${issue?.path.join(".")}: ${issue?.message}; expected an array of strings or of {"id", "label"}, or one label a line.`,
  );
}

function parseLines(text: string): Label[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  while (lines.at(-1) === "") lines.pop();
  return lines.map((line, index) => {
    const wordNet = /^(n\d{8})\s+(.+)$/.exec(line);
    const name = line === "" ? `class ${index}` : line;
    return wordNet ? { id: wordNet[1]!, label: wordNet[2]! } : { id: name, label: name };
  });
}

function parseJson(text: string, path: string): unknown[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new PackError(`${path} begins as JSON but does not parse.`, { cause });
  }
  if (!Array.isArray(json))
    throw new PackError(`${path} is JSON but not an array; expected one entry a class.`);
  return json.map((entry: unknown) => (typeof entry === "string" ? { id: entry, label: entry } : entry));
}

/**
 * Reads the class of an image off its file name: the label, its first synonym or its id, then a hyphen or underscore,
 * as in `truck-0517.jpg` and `n01534433_junco.JPEG`.
 * @returns The class index, or null where no label fits. Of several the longest wins.
 */
export function classFromName(labels: readonly Label[]): (fileName: string) => number | null {
  const keys = labels.flatMap(({ id, label }, index) =>
    [id, label, label.split(",")[0]!].map((key) => ({ key: slug(key), index })),
  );
  keys.sort((a, b) => b.key.length - a.key.length);
  return (fileName) => {
    const name = `${slug(fileName.replace(/\.[^.]*$/, ""))}-`;
    return keys.find(({ key }) => name.startsWith(`${key}-`))?.index ?? null;
  };
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-|-$/g, "");
}
