/** What in a folder of images cannot be used: refused as one list, or left out on request. */
import { CommandError } from "../terminal/fail.ts";
import type { Problem } from "./dataset.ts";

/** @throws CommandError naming every file; with `skip` only those without which the rest means something else */
export function refuseOrSkip(problems: readonly Problem[], skip: boolean): void {
  const fatal = skip ? problems.filter(({ canSkip }) => !canSkip) : problems;
  if (fatal.length === 0) return;
  const hint = fatal.every(({ canSkip }) => canSkip)
    ? "\nMend or remove them, or leave them out with --skip-unreadable."
    : "";
  throw new CommandError(
    `${fatal.length} of the folder's entries cannot be used; nothing was written:\n${listed(fatal)}${hint}`,
  );
}

export function listed(problems: readonly Problem[]): string {
  return problems.map(({ file, reason }) => `  ${file}: ${reason}`).join("\n");
}
