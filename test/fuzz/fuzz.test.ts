import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { withFolder } from "../../cli/store/project.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { listedChoices, seededChoices } from "./choices.ts";
import { hostileFile, mutationFamilies } from "./generate.ts";
import { fuzzInNode } from "./node.ts";
import { addAttempt, keepFindings, newTally, report } from "./run.ts";
import { seedsOf, smallSeeds } from "./seeds.ts";

test("the same seed makes the same files, another seed others", async () => {
  const seeds = await smallSeeds();
  const hashes = (seed: number) =>
    Array.from({ length: 50 }, (_, index) => {
      const { bytes } = hostileFile(seededChoices(seed, index), seeds);
      return createHash("sha256").update(bytes).digest("hex");
    });
  const first = hashes(1);
  expect(hashes(1)).toEqual(first);
  expect(hashes(2).filter((hash, i) => hash === first[i])).toEqual([]);
});

test("a run of some formats makes files of these only", async () => {
  const seeds = await seedsOf(["webp", "gif"]);
  const made = Array.from({ length: 60 }, (_, index) => hostileFile(seededChoices(1, index), seeds).format);
  expect([...new Set(made)].sort()).toEqual(["gif", "webp"]);
});

test("every mutation changes some file", async () => {
  const seeds = await smallSeeds();
  const unused: string[] = [];
  for (const [format, families] of Object.entries(mutationFamilies)) {
    const files = seeds.filter((seed) => seed.format === format).map(({ bytes }) => bytes);
    for (const [name, mutate] of Object.values(families).flatMap((members) => Object.entries(members))) {
      const changes = files.some((bytes, i) => {
        const out = mutate(bytes, seededChoices(3, i), files[0]!);
        return Buffer.compare(out, bytes) !== 0;
      });
      if (!changes) unused.push(`${format}: ${name}`);
    }
  }
  expect(unused).toEqual([]);
});

test("an empty list of choices makes the simplest file", async () => {
  const { from, mutations } = hostileFile(listedChoices([]), await smallSeeds());
  expect({ from, mutations }).toEqual({ from: "baseline 4:2:0", mutations: ["bits: flipped bits"] });
});

test("a run in Node counts every file and its outcomes", async () => {
  const { count, outcomes, faults, memory } = await fuzzInNode(
    { count: 30, seed: 1, hangMs: 60_000 },
    silentProgress,
  );
  expect([count, faults]).toEqual([30, []]);
  const asRequest = [...outcomes.get("request")!.values()];
  expect(asRequest.reduce((a, b) => a + b)).toBe(30);
  expect(memory.last?.heapBytes).toBeGreaterThan(0);
});

test("a file that fails is reported with its recipe, and kept so that it can be replayed", async () => {
  const tally = newTally();
  const recipe = { index: 7, from: "grey", mutations: ["cuts: cut short"], bytes: 9 };
  addAttempt(tally, { way: "jpeg-js", outcome: "failed", ms: 1, fault: "TypeError: boom" }, recipe);
  tally.count = 1;
  expect(report(tally)).toContain("file 7, jpeg-js: TypeError: boom\n  grey; cuts: cut short");
  await withFolder(async (folder) => {
    const [file] = await keepFindings(folder, { seed: 3 }, tally.faults);
    const recipeOfFile = JSON.parse(await readFile(file!.replace(/\w+$/, "json"), "utf8"));
    expect(recipeOfFile).toMatchObject({ seed: 3, index: 7 });
    expect((await readFile(file!)).length).toBeGreaterThan(0);
  });
});
