/** Runs commands of the project in the test's own process, which saves the one to three seconds that a process takes to start. */
import { CommanderError } from "@commander-js/extra-typings";
import { vi } from "vitest";
import { bucketProgram, headProgram, modelProgram } from "../../cli/commands/programs.ts";
import { runCommand } from "../../cli/terminal/fail.ts";

/** What a command printed, and its exit code. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const programs = { model: modelProgram, head: headProgram, bucket: bucketProgram };

/**
 * Runs `npm run <script> -- <args>`. Files that use this also start at least one command as a process.
 * @param env variables to set, or to unset, while the command runs
 */
export async function runProgram(
  script: keyof typeof programs,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<Finished> {
  const program = programs[script]();
  for (const command of [program, ...program.commands]) command.exitOverride();
  let refused: CommanderError | undefined;
  const parse = async () => {
    await program.parseAsync(args, { from: "user" }).catch((error: unknown) => {
      if (!(error instanceof CommanderError)) throw error;
      refused = error;
    });
  };
  const { exitCode } = process;
  const stdout = capture(process.stdout);
  const stderr = capture(process.stderr);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  process.exitCode = 0;
  try {
    await runCommand(parse);
    const code = refused?.exitCode ?? Number(process.exitCode);
    return { code, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    process.exitCode = exitCode;
    vi.unstubAllEnvs();
    stdout.stop();
    stderr.stop();
  }
}

/** Collects what is written to a stream, which itself receives nothing. */
function capture(stream: NodeJS.WriteStream): { text(): string; stop(): void } {
  const { write } = stream;
  const chunks: Buffer[] = [];
  stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    chunks.push(Buffer.from(chunk as string));
    const callback = rest.at(-1);
    if (typeof callback === "function") callback();
    return true;
  };
  return {
    text: () => Buffer.concat(chunks).toString(),
    stop: () => {
      stream.write = write;
    },
  };
}
