/** The corpus of hostile files, at every scale: docs/hostile-input.md. */
import { describe, expect, test } from "vitest";
import { attemptEveryWay, fuzzPreprocessing } from "../fuzz/attempt.ts";
import { corpus, corpusFile, corpusFiles } from "../support/hostile-corpus.ts";

describe("the corpus, test/fixtures/hostile", () => {
  test.each(corpus.map((entry) => [entry.file, entry] as const))(
    "%s",
    async (file, { outcome, scale, detail }) => {
      const all = await attemptEveryWay(corpusFile(file), fuzzPreprocessing);
      expect(all.filter(({ fault }) => fault !== undefined)).toEqual([]);
      expect(all[0]).toMatchObject({ outcome, ...(scale === undefined ? {} : { scale }) });
      if (detail !== undefined) expect(all[0]?.detail).toContain(detail);
    },
  );

  test("every file is listed", () => {
    expect(corpus.map(({ file }) => file).sort()).toEqual(corpusFiles().sort());
  });
});
