/** How a command fails: one clear line on stderr, exit code 1; never a stack trace for what the user can mend. */

/** What happened, what was expected, what to do. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** Errors whose message is for the user: this one, and those of packing and of reading ONNX. */
const clearErrors: ReadonlySet<string> = new Set(["CommandError", "PackError", "OnnxError"]);

/** Runs a command. Unknown failures keep their stack, since they are ours. */
export async function runCommand(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    const known = error instanceof Error && clearErrors.has(error.name);
    process.stderr.write(`${known ? `error: ${(error as Error).message}` : stackOf(error)}\n`);
    process.exitCode = 1;
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
