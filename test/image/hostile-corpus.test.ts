/** The corpus of hostile files, by every decoder: docs/hostile-input.md. */
import { describe, expect, test } from "vitest";
import { attemptEveryWay } from "../../tools/fuzz/attempt.ts";
import { fuzzPreprocessing } from "../../tools/fuzz/preprocessing.ts";
import { corpus, corpusFile, corpusFiles } from "../support/hostile-corpus.ts";
import { newScaledDecoder } from "../support/image-decoders.ts";

const scaled = newScaledDecoder();

describe("the corpus, test/fixtures/hostile", () => {
  test.each(corpus.map((entry) => [entry.file, entry] as const))(
    "%s",
    (file, { outcome, decoder, detail }) => {
      const all = attemptEveryWay(corpusFile(file), { scaled, preprocessing: fuzzPreprocessing });
      expect(all.filter(({ fault }) => fault !== undefined)).toEqual([]);
      expect(all[0]).toMatchObject({ outcome, ...(decoder === undefined ? {} : { decoder }) });
      if (detail !== undefined) expect(all[0]?.detail).toContain(detail);
    },
  );

  test("every file is listed", () => {
    expect(corpus.map(({ file }) => file).sort()).toEqual(corpusFiles().sort());
  });
});
