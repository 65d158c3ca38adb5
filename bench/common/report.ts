/** Tables, lists and documents of the reports of the benchmark, the soak and the fuzzer. */
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { styleText } from "node:util";
import { numberText } from "../../cli/plot/format.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { table as alignColumns } from "../../cli/terminal/output.ts";
import type { Machine } from "./run-files.ts";

/** Bytes of a mebibyte. */
export const MiB = 2 ** 20;

/** Folder of the generated documents. */
export const docsFolder = path.join(projectFolder, "docs");

/** A table of formatted cells. */
export type Table = ReturnType<typeof table>;

/** Makes a table. Numbers get three significant digits, and NaN becomes a dash. */
export function table(
  title: string,
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  note = "",
) {
  const format = (cell: string | number) => (typeof cell === "number" ? numberText(cell) : cell);
  return { title, head, rows: rows.map((row) => row.map(format)), note };
}

/** Formats a table for a terminal. Empty without rows. */
export function tableText({ title, head, rows, note }: Table): string {
  if (rows.length === 0) return "";
  return joined("\n", heading(title), alignColumns([head, ...rows], numericColumns(head, rows)), note);
}

/** Formats a table as Markdown, without its title. Empty without rows. */
export function tableMarkdown({ head, rows, note }: Table): string {
  if (rows.length === 0) return "";
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const numeric = numericColumns(head, rows);
  const rule = head.map((_, column) => (numeric.includes(column) ? "---:" : "---"));
  return joined("\n\n", [line(head), line(rule), ...rows.map(line)].join("\n"), note);
}

/** Returns the columns that hold only amounts, dashes and empty cells. They are aligned to the right. */
function numericColumns(head: Table["head"], rows: Table["rows"]): number[] {
  const isAmount = (cell = "") => /^([-$–\d][\d.,]*( MiB|%)?)?$/.test(cell);
  return [...head.keys()].filter((column) => rows.every((row) => isAmount(row[column])));
}

/** Formats a title for a terminal. */
export function heading(title: string): string {
  return styleText("bold", title);
}

/** Formats a bulleted list, for a terminal and as Markdown. */
export function bullets(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join("\n");
}

/** Joins the parts that are not empty. */
export function joined(separator: string, ...parts: readonly string[]): string {
  return parts.filter(Boolean).join(separator);
}

/** Describes the machine of a run and the versions of what ran on it, one line each. */
export function machineLines(machine: Machine): string[] {
  const { cpu, cores, memoryBytes, system, loadBefore } = machine;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Machine: ${cpu}, ${cores} cores, ${numberText(memoryBytes / 2 ** 30)} GiB, ${system}; load before the run ${numberText(loadBefore)}`,
    `Versions: ${versions.join(", ")}`,
  ];
}

/**
 * Replaces each `{{name}}` of a Markdown template with the value of that name. Leaves out sections in which all values
 * are empty.
 * @throws Error when a value is missing
 */
export function fillTemplate(file: string, values: Readonly<Record<string, string | number>>): string {
  const filled = readFileSync(file, "utf8")
    .split(/^(?=## )/m)
    .map((section) => {
      let isEmpty = section.includes("{{");
      const text = section.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
        const value = values[name];
        if (value === undefined) throw new Error(`${file} needs a value for ${name}`);
        isEmpty &&= value === "";
        return String(value);
      });
      return isEmpty ? "" : text;
    });
  return filled
    .join("")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim();
}

/**
 * Writes a page and its charts, which go into the subfolder `plots`.
 * @returns the paths of the files, relative to the project
 */
export async function writeDocuments(
  pages: Readonly<Record<string, string>>,
  plots: ReadonlyMap<string, string>,
  folder = docsFolder,
): Promise<string[]> {
  const charts = [...plots].map(([name, svg]) => [path.join("plots", name), svg] as const);
  const files = [...Object.entries(pages), ...charts];
  await mkdir(path.join(folder, "plots"), { recursive: true });
  for (const [name, content] of files) await writeFile(path.join(folder, name), content);
  return files.map(([name]) => path.relative(projectFolder, path.join(folder, name)));
}
