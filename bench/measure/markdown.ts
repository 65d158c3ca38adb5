/** Formats tables and lists as Markdown. */
import type { Table } from "./table.ts";

/** Formats a table, without its title. */
export function tableMarkdown({ head, rows, right, note }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeCell).join(" | ")} |`;
  const rule = `| ${head.map((_, column) => (right.includes(column) ? "---:" : "---")).join(" | ")} |`;
  return [line(head), rule, ...rows.map(line), ...(note ? ["", note] : [])].join("\n");
}

/** Formats a bulleted list. */
export function listMarkdown(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join("\n");
}

function escapeCell(cell: string): string {
  return cell.replaceAll("|", "\\|");
}
