/** Runs the commands of README and docs that can run here: `npm run docs:check` as a test. */
import { expect, test } from "vitest";
import { projectFolder } from "../../cli/store/project.ts";
import { readPages } from "../docs/pages.ts";
import { runBlocks } from "../docs/run.ts";

const blocks = (await readPages(projectFolder)).flatMap((page) => page.blocks);

test("every command in the docs does what the docs say", async () => {
  const outcomes = await runBlocks(projectFolder, blocks);
  expect(outcomes.length).toBeGreaterThan(8);
  expect(outcomes.filter(({ fault }) => fault !== undefined)).toEqual([]);
}, 500_000);

test("an answer that differs from the page, and a failing command, are reported with the output", async () => {
  const block = { page: "page.md", reason: undefined };
  const outcomes = await runBlocks(projectFolder, [
    { ...block, commands: ["echo '{\"b\": 1}'"], answer: '{"a": 1}' },
    { ...block, commands: ["npm run model -- info nix"], answer: undefined },
  ]);
  expect(outcomes[0]?.fault).toMatch(/the answer has no a; the answer has b/);
  expect(outcomes[1]?.fault).toMatch(/^exit code 1\n[\s\S]*there is no pack nix/);
});
