/** Audits a page with axe-core: Deque's rules for WCAG 2.2. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";

/** A rule that a page breaks. */
export interface Finding {
  readonly impact: string;
  readonly rule: string;
  readonly help: string;
  readonly elements: readonly string[];
}

/** The result of an audit. */
export interface Audit {
  /** Number of rules that the page passes. */
  readonly passes: number;
  readonly findings: readonly Finding[];
}

/** Runs axe-core in the page. The DevTools protocol may do so where the page's policy forbids scripts. */
export async function audit(page: Page): Promise<Audit> {
  await page.evaluate(await readFile(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8"));
  // Text that fades in has too little contrast until it is there. Endless animations never finish.
  await page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .filter((animation) => animation.effect?.getComputedTiming().iterations !== Number.POSITIVE_INFINITY)
        .map((animation) => animation.finished.catch(() => {})),
    ),
  );
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

/** Returns the findings that make the page unusable for someone. */
export function seriousOnes({ findings }: Audit): readonly Finding[] {
  return findings.filter(({ impact }) => impact === "serious" || impact === "critical");
}
