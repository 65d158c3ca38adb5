/** How commands fail: one clear line on stderr and exit code 1. Stack traces are for faults of the program only. */

/** A failure that the user can fix. Its message is `what` and `fix`, separated by a semicolon. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  /** What happened, and what was expected. */
  readonly what: string;
  /** What to do next. Empty where `what` says it already. */
  readonly fix: string;

  constructor(what: string, { fix = "", ...options }: ErrorOptions & { readonly fix?: string } = {}) {
    super(fix ? `${what}; ${fix}` : what, options);
    this.what = what;
    this.fix = fix;
  }
}

/** Runs a command. Prints the message of a CommandError, and the stack of any other error. */
export async function runCommand(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    process.stderr.write(`${error instanceof CommandError ? `error: ${message}` : (stack ?? message)}\n`);
    process.exitCode = 1;
  }
}
