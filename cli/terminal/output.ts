/** Prints results on stdout: text for people, or one JSON document for programs. */

/** Options of every command that prints a result. */
export interface OutputOptions {
  readonly json?: boolean | undefined;
}

/** The --json option, which every command shares. */
export const jsonOption = [
  "--json",
  "print one JSON document on stdout (with npm: npm run --silent model -- ...)",
] as const;

/** Prints `document` with --json, and `text` otherwise. */
export function printResult(options: OutputOptions, document: unknown, text: () => string): void {
  process.stdout.write(`${options.json ? JSON.stringify(document, null, 2) : text()}\n`);
}

/** Formats bytes as decimal megabytes. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Formats bytes as decimal kilobytes. */
export function kilobytes(bytes: number): string {
  return `${(bytes / 1e3).toFixed(1)} kB`;
}

/** Cuts text to `maxLength` characters. */
export function shorten(text: string, maxLength: number): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
}

/** Aligns rows in columns. The first row has the headings. `right` lists the columns to align to the right. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, c) => (right.includes(c) ? cell.padStart(widths[c] ?? 0) : cell.padEnd(widths[c] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
