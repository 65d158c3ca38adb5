/** Writes the report of a soak: for the terminal and docs/soak.md. */
import path from "node:path";
import {
  bullets,
  fillTemplate,
  heading,
  joined,
  machineLines,
  tableMarkdown,
  tableText,
  writeDocuments,
} from "../../bench/common/report.ts";
import { mebibytesText, numberText } from "../../cli/plot/format.ts";
import { attackOf } from "./attacks.ts";
import { soakPlots } from "./charts.ts";
import type { SoakResults } from "./run.ts";
import * as tables from "./tables.ts";
import { bounds, delays, faults, remarks } from "./verdict.ts";

/** Returns the run, all tables, remarks and faults. */
export function soakReport(results: SoakResults): string {
  const { sustained, attacks, overload } = results;
  const found = [...faults(results), ...delays(results)];
  return joined(
    "\n\n",
    describeSoak(results).join("\n"),
    tableText(tables.countTable("Sustained traffic", sustained)),
    tableText(tables.latencyTable("Latency of sustained traffic", sustained)),
    tableText(tables.memoryTable(sustained)),
    ...attacks.map(({ name, phase }) => tableText(tables.countTable(name, phase))),
    tableText(tables.attackTable(results)),
    overload ? tableText(tables.countTable("Overload", overload)) : "",
    tableText(tables.overloadTable(results)),
    tableText(tables.silenceTable(results)),
    ...remarks(results).map((remark) => `Note: ${remark}`),
    found.length > 0
      ? `${heading("Faults")}\n${bullets(found)}`
      : "All counts add up; no answer was wrong; memory stayed within its bounds.",
  );
}

/** Returns docs/soak.md. */
export function soakDocument(results: SoakResults): string {
  const { sustained, attacks, overload } = results;
  const found = [...faults(results), ...delays(results)];
  const page = fillTemplate(path.join(import.meta.dirname, "soak.template.md"), {
    run: bullets(describeSoak(results)),
    faults:
      found.length > 0
        ? `**Faults**\n\n${bullets(found)}`
        : "All counts add up, in the clients and in the Worker's log. No answer was wrong. Memory stayed within its bounds.",
    remarks: remarks(results)
      .map((remark) => `**Note.** ${remark}`)
      .join("\n\n"),
    memory: tableMarkdown(tables.memoryTable(sustained)),
    latency: tableMarkdown(tables.latencyTable("", sustained)),
    counts: tableMarkdown(tables.countTable("", sustained)),
    attackList: bullets(attacks.map(({ name }) => `**${name}**: ${attackOf(name).what}`)),
    attackTable: tableMarkdown(tables.attackTable(results)),
    silence: tableMarkdown(tables.silenceTable(results)),
    overloadTable: tableMarkdown(tables.overloadTable(results)),
    overloadCounts: overload ? tableMarkdown(tables.countTable("", overload)) : "",
    kinds: tableMarkdown(tables.kindTable()),
    ...bounds,
    keptMiB: mebibytesText(bounds.keptBytes),
    growthMiB: mebibytesText(bounds.growthBytes),
    residentGrowthMiB: mebibytesText(bounds.residentGrowthBytes),
    unreachedPercent: numberText(100 * bounds.unreachedShare),
  });
  return `${page}\n`;
}

/** Writes the page and its charts into docs/. @returns the paths of the files, relative to the project */
export function writeSoakDocs(results: SoakResults, folder?: string): Promise<string[]> {
  return writeDocuments({ "soak.md": soakDocument(results) }, soakPlots(results), folder);
}

/** Returns the extent, machine and versions of a soak, one line each. */
function describeSoak(results: SoakResults): string[] {
  const { machine, options, startedAt, sustained, attacks, overload, interrupted } = results;
  const attackSeconds = numberText(Math.max(...attacks.map(({ phase }) => phase.seconds)));
  const phases = joined(
    ", ",
    `${numberText(sustained.seconds / 60)} minutes of sustained traffic`,
    attacks.length > 0 ? `${attacks.length} attacks of at most ${attackSeconds} s` : "",
    overload ? `${numberText(overload.seconds)} s of overload` : "",
  );
  return [
    `Run: ${phases}, begun ${startedAt}, ${options.concurrency} clients, seed ${options.seed}, commit ${machine.commit}${interrupted ? "; interrupted" : ""}`,
    ...machineLines(machine),
  ];
}
