/** Checks README and docs against the project: links, headings, scripts, flags, settings. test/worker/docs.test.ts runs the commands. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { optionalBindings, variableNames } from "../src/config.ts";
import { checkCommands, checkPages } from "./docs/check.ts";
import { readPages } from "./docs/pages.ts";

const root = path.join(import.meta.dirname, "..");
const pages = await readPages(root);

test("every link leads to a file and a heading, and every named script exists", async () => {
  expect(pages.length).toBeGreaterThan(10);
  expect(pages.flatMap(({ links }) => links).length).toBeGreaterThan(80);
  expect(await checkPages(root, pages)).toEqual([]);
});

test("every command is known, its help lists the flags, and the files exist", async () => {
  const blocks = pages.flatMap((page) => page.blocks);
  expect(blocks.length).toBeGreaterThan(20);
  expect(await checkCommands(root, blocks)).toEqual([]);
}, 300_000);

test("docs/configuration.md has every variable and binding of the Worker, and no other", async () => {
  const page = await readFile(path.join(root, "docs", "configuration.md"), "utf8");
  const documented = [...page.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name);
  const bindings = ["MODELS", "IMAGES", ...optionalBindings.map(({ name }) => name)];
  expect(documented.toSorted()).toEqual([...bindings, ...variableNames].toSorted());
});

test("wrangler.toml has every variable that is not secret", async () => {
  const toml = await readFile(path.join(root, "wrangler.toml"), "utf8");
  const named = [...toml.matchAll(/^(?:# )?([A-Z_]+) = /gm)].map(([, name]) => name);
  expect(named.toSorted()).toEqual(variableNames.filter((name) => name !== "API_KEYS").toSorted());
});
