/** The report of a soak as text. Pure. */
import { heading, tableText } from "../../../bench/measure/table.ts";
import type { SoakResults } from "../results.ts";
import { delays, faults, remarks } from "../verdict.ts";
import { describeSoak } from "./describe.ts";
import { attackTable, countTable, latencyTable, memoryTable, overloadTable, silenceTable } from "./tables.ts";

export function soakReport(results: SoakResults): string {
  const { sustained, attacks, overload } = results;
  const found = [...faults(results), ...delays(results)];
  const sections = [
    describeSoak(results).join("\n"),
    tableText(countTable("Sustained traffic", sustained)),
    tableText(latencyTable("Latency of sustained traffic", sustained)),
    tableText(memoryTable(sustained)),
    ...attacks.map(({ name, phase }) => tableText(countTable(name, phase))),
    ...(attacks.length > 0 ? [tableText(attackTable(results))] : []),
    ...(overload ? [tableText(countTable("Overload", overload)), tableText(overloadTable(results))] : []),
    tableText(silenceTable(results)),
    ...remarks(results).map((remark) => `Note: ${remark}`),
    found.length > 0
      ? `${heading("Faults")}\n${found.map((fault) => `- ${fault}`).join("\n")}`
      : "All counts add up; no answer was wrong; memory stayed within its bounds.",
  ];
  return sections.join("\n\n");
}
