/** Prints reports of any shape: each value with its path. */

/** Returns rows of a table, the first one headed `title`. Returns none for a missing report. */
export function leafRows(title: string, report: Readonly<Record<string, unknown>> | null): string[][] {
  if (report === null) return [];
  const lines = leaves(report, "").map(([key, value]) => `${key}: ${value}`);
  return lines.map((line, i) => [i === 0 ? title : "", line]);
}

function leaves(value: unknown, key: string): [string, string][] {
  if (value === null || typeof value !== "object") return [[key, shortNumber(value)]];
  if (Array.isArray(value) && value.every((item) => item === null || typeof item !== "object")) {
    return [[key, value.map(shortNumber).join(", ")]];
  }
  return Object.entries(value).flatMap(([k, v]) => leaves(v, key === "" ? k : `${key}.${k}`));
}

function shortNumber(value: unknown): string {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(5)));
}
