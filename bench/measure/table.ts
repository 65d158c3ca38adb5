/** Tables of a report, for terminals and documents. */
import { styleText } from "node:util";
import { table } from "../../cli/terminal/output.ts";

/** A table. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns to align to the right. */
  readonly right: readonly number[];
  readonly note?: string;
}

/** Formats a table for a terminal. */
export function tableText({ title, head, rows, right, note }: Table): string {
  return [heading(title), table([head, ...rows], right), ...(note ? [note] : [])].join("\n");
}

/** Formats a title for a terminal. */
export function heading(title: string): string {
  return styleText("bold", title);
}
