/** What axe-core finds wrong with a page: Deque's rules for WCAG 2.2. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";

export interface Finding {
  readonly impact: string;
  readonly rule: string;
  readonly help: string;
  readonly elements: readonly string[];
}

export interface Audit {
  /** Rules that the page passes. */
  readonly passes: number;
  readonly findings: readonly Finding[];
}

/** Runs in the page, past its policy: the DevTools protocol may evaluate where scripts may not be added. */
export async function audit(page: Page): Promise<Audit> {
  await page.evaluate(await readFile(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8"));
  const results = await page.evaluate<AxeResults>("axe.run()");
  return {
    passes: results.passes.length,
    findings: results.violations.map(({ impact, id, help, nodes }) => ({
      impact: impact ?? "unknown",
      rule: id,
      help,
      elements: nodes.map(({ html }) => html),
    })),
  };
}

/** Those that keep people out. */
export function seriousOnes({ findings }: Audit): readonly Finding[] {
  return findings.filter(({ impact }) => impact === "serious" || impact === "critical");
}
