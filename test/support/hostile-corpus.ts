/** The files of test/fixtures/hostile, and their outcomes. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const folder = path.join(import.meta.dirname, "..", "fixtures", "hostile");

export interface CorpusEntry {
  readonly file: string;
  /** Outcome in a request: "decoded", or the code of the refusal. */
  readonly outcome: string;
  /** Scale of a decoded image, if it matters: 0.125 to 1. */
  readonly scale?: number;
  readonly detail?: string;
}

export const corpus = JSON.parse(
  readFileSync(path.join(folder, "corpus.json"), "utf8"),
) as readonly CorpusEntry[];

export const corpusFile = (file: string) => new Uint8Array(readFileSync(path.join(folder, file)));

export const corpusFiles = () => readdirSync(folder).filter((file) => /\.(jpg|png|webp|gif)$/.test(file));
