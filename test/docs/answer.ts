/** Compares the output that a page shows with the real one. Both must have the same keys and types. */

/**
 * Describes the difference, or returns undefined when there is none.
 * @param stdout may have other lines before the JSON
 */
export function answerFault(documented: string, stdout: string): string | undefined {
  const expected: unknown = JSON.parse(documented);
  let actual: unknown;
  try {
    actual = JSON.parse(stdout.slice(stdout.search(/^[{[]/m)));
  } catch {
    return `the page shows JSON, the answer is: ${stdout.slice(0, 500)}`;
  }
  const faults = difference(expected, actual, "");
  return faults.length === 0 ? undefined : `the page shows another answer: ${faults.join("; ")}`;
}

function difference(expected: unknown, actual: unknown, at: string): string[] {
  const here = at || "the answer";
  if (kind(expected) !== kind(actual)) return [`${here} is ${kind(actual)}, on the page ${kind(expected)}`];
  if (Array.isArray(expected) && Array.isArray(actual)) return difference(expected[0], actual[0], `${at}[0]`);
  if (kind(expected) !== "object") return [];
  const [shown, given] = [expected as Record<string, unknown>, actual as Record<string, unknown>];
  // A page writes {} for an object that it does not show.
  if (Object.keys(shown).length === 0) return [];
  const missing = Object.keys(shown).filter((key) => !(key in given));
  const unshown = Object.keys(given).filter((key) => !(key in shown));
  return [
    ...missing.map((key) => `${here} has no ${key}`),
    ...unshown.map((key) => `${here} has ${key}, the page does not`),
    ...Object.keys(shown).flatMap((key) =>
      key in given ? difference(shown[key], given[key], `${at}.${key}`) : [],
    ),
  ];
}

function kind(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}
