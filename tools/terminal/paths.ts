/** Paths that a user types. */
import path from "node:path";

/** npm runs scripts in the project's folder; a typed path is relative to where the user stands. */
export function userPath(typed: string): string {
  return path.resolve(process.env.INIT_CWD ?? ".", typed);
}
