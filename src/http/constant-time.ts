/** Comparing secrets. Imports nothing. */

/** Whether two strings are equal, in a time that depends on their lengths alone. Meant for hashes. */
export function equalInConstantTime(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
