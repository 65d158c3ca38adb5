/** Compares docs/http.md with the code. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { apiDocument } from "../../src/http/openapi/api.ts";
import { statusOfCode } from "../../src/http/problem.ts";

const page = await readFile(path.join(import.meta.dirname, "..", "..", "docs", "http.md"), "utf8");

test("the table of codes has every code with its status, and no other", () => {
  const table = page.slice(page.indexOf("## Codes"));
  const rows = [...table.matchAll(/^\| (\d{3}) \| ([^|]+) \|/gm)];
  const documented = rows.flatMap(([, status, codes]) =>
    [...codes!.matchAll(/`(\w+)`/g)].map(([, code]) => [code, Number(status)] as const),
  );
  expect(Object.fromEntries(documented)).toEqual(statusOfCode);
  expect(documented).toHaveLength(Object.keys(statusOfCode).length);
});

test("every path of the API is on the page", () => {
  for (const call of Object.keys(apiDocument().paths)) {
    expect(page, call).toContain(call.replace("/cdn/{path}", "/cdn/PATH"));
  }
});
