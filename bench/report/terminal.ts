/** Formats the report for a terminal. */
import { heading, tableText } from "../measure/table.ts";
import type { Results } from "../results/results.ts";
import { describeRun } from "./describe.ts";
import { allTables } from "./tables.ts";
import { unfairness } from "./unfair.ts";

/** Returns the run, all tables, what failed and what is unfair. */
export function terminalReport(results: Results): string {
  const sections = [
    describeRun(results).join("\n"),
    ...allTables(results).map(tableText),
    ...(results.failures.length > 0
      ? [
          heading("Did not run"),
          results.failures.map(({ what, reason }) => `- ${what}: ${reason}`).join("\n"),
        ]
      : []),
    `${heading("What is unfair")}\n${unfairness(results)
      .map((remark) => `- ${remark}`)
      .join("\n")}`,
  ];
  return sections.join("\n\n");
}
