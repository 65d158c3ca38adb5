/** Resolves paths that a user types. */
import path from "node:path";

/** npm runs scripts in the project's folder. A typed path is relative to the folder in which the user ran npm. */
export function userPath(typed: string): string {
  return path.resolve(process.env.INIT_CWD ?? ".", typed);
}
