/** How commands fail: one clear line on stderr and exit code 1. Only errors of the program itself print a stack trace. */

/** A failure that the user can fix. Its message is `what` and `fix`, separated by a semicolon. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  /** What happened, and what was expected. */
  readonly what: string;
  /** What to do next. Empty if `what` says it already. */
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

/** Runs a command, then ends the process within two seconds even if a connection is still open. */
export async function runAndExit(main: () => Promise<void>): Promise<void> {
  await runCommand(main);
  setTimeout(() => process.exit(), 2_000).unref();
}
