/** Tables of a report, printed and written alike. Pure. */
import { styleText } from "node:util";
import { table } from "../terminal/output.ts";

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns that are aligned to the right. */
  readonly right: readonly number[];
  readonly note?: string;
}

export function tableText({ title, head, rows, right, note }: Table): string {
  return [heading(title), table([head, ...rows], right), ...(note ? [note] : [])].join("\n");
}

export function heading(title: string): string {
  return styleText("bold", title);
}
