/** Finds a Chromium to test the page with, or installs Debian's with apt-get. */
import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { promisify } from "node:util";
import { type Browser, chromium } from "playwright-core";
import { CommandError } from "../../../cli/terminal/fail.ts";

const run = promisify(execFile);
const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const installMs = 5 * 60_000;

/**
 * Starts the browser without a window.
 * @param flags of its command line
 * @throws CommandError that says what to install
 */
export async function launchChromium(flags: readonly string[] = []): Promise<Browser> {
  const executablePath = await findChromium();
  // Chromium's sandbox does not work for root, the usual user in containers. The page is trusted.
  const args = [...(process.getuid?.() === 0 ? ["--no-sandbox"] : []), ...flags];
  return chromium.launch({ executablePath, args });
}

/** Returns the path of Chromium, which is installed first if it is missing. @throws CommandError when that fails */
export async function findChromium(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const { CHROMIUM_PATH: named } = env;
  if (named) {
    if (await isProgram(named)) return named;
    throw new CommandError(`CHROMIUM_PATH is ${named}, which is no program; expected the path of Chromium`);
  }
  const found = await firstProgram();
  if (found) return found;
  await install();
  const installed = await firstProgram();
  if (installed) return installed;
  throw new CommandError(`apt-get installed chromium, but none of ${places.join(", ")} is there`);
}

async function install(): Promise<void> {
  process.stderr.write("Chromium is missing: installing Debian's with apt-get (about 100 MB)\n");
  const [command, before] = process.getuid?.() === 0 ? ["apt-get", []] : ["sudo", ["-n", "apt-get"]];
  const options = { timeout: installMs, env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
  try {
    await run(command, [...before, "update", "-qq"], options);
    await run(command, [...before, "install", "-y", "-qq", "--no-install-recommends", "chromium"], options);
  } catch (cause) {
    const { stderr = "", message } = cause as Error & { stderr?: string };
    throw new CommandError(
      `there is no Chromium, and apt-get could not install it: ${(stderr || message).trim().slice(-300)}
Install Chromium or Chrome by hand, and name it: CHROMIUM_PATH=/path/to/chromium npm test`,
      { cause },
    );
  }
}

async function firstProgram(): Promise<string | undefined> {
  for (const place of places) if (await isProgram(place)) return place;
  return undefined;
}

async function isProgram(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
