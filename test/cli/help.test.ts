/** Every command answers --help, and does nothing else. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { describe, expect, test } from "vitest";
import { headProgram, modelProgram } from "../../cli/commands/programs.ts";
import { projectFolder } from "../../cli/store/project.ts";

const run = promisify(execFile);
const { scripts } = JSON.parse(await readFile(path.join(projectFolder, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};
/** The npm scripts that are programs of the project, and not of its tools. */
const programs = Object.entries(scripts).flatMap(([name, line]) => {
  const file = /^node (\S+\.(?:ts|mjs))$/.exec(line)?.[1];
  return file === undefined || name === "screenshots" ? [] : [[name, file] as const];
});

test.each(programs)("npm run %s -- --help", async (name, file) => {
  const folder = await mkdtemp(path.join(tmpdir(), "help-"));
  const env = { ...process.env, INIT_CWD: folder, HOME: folder, XDG_CACHE_HOME: folder, NO_COLOR: "1" };
  try {
    const { stdout, stderr } = await run(process.execPath, [path.join(projectFolder, file), "--help"], {
      ...{ cwd: folder, env },
    });
    const call = name === "start" ? "npm start --" : `npm run ${name} --`;
    expect(stdout).toMatch(new RegExp(`^Usage: ${call} `));
    expect(stderr).toBe("");
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe.each([
  ["model", modelProgram()],
  ["head", headProgram()],
])("the commands of %s", (script, program: CommandUnknownOpts) => {
  test.each(program.commands.map((command) => [command.name(), command] as const))(
    "%s has an example, and names no other program",
    (name, command) => {
      let help = "";
      command.configureOutput({
        writeOut: (text) => {
          help += text;
        },
      });
      command.outputHelp();
      expect(help).toMatch(new RegExp(`Examples?:\n  npm run ${script} -- ${name} `));
      const options = help.split(/Examples?:/)[0]!;
      const named = [...options.matchAll(/npm run (?:--silent )?([a-z:]+)/g)].map(([, named]) => named);
      expect(named.filter((each) => each !== script)).toEqual([]);
    },
  );
});
