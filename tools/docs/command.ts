/** A command of the docs, taken apart: which program, which of its subcommands, which flags and files. */

export interface Invocation {
  /** `npm run model push`, `npx wrangler secret put`, `curl`, ... */
  readonly name: string;
  readonly flags: readonly string[];
  /** Words that are no flags. */
  readonly words: readonly string[];
  /** How its help is asked for; undefined where it has none that lists flags. */
  readonly help: readonly string[] | undefined;
  /** The npm script that it runs. */
  readonly script: string | undefined;
}

/** Subcommands that are two words. */
const groups: ReadonlySet<string> = new Set(["secret", "r2", "kv", "deployments", "namespace", "bucket"]);
/** Programs that have nothing to do with the project; their flags are not looked at. */
const others: ReadonlySet<string> = new Set([
  "git",
  "cd",
  "openssl",
  "export",
  "sh",
  "rm",
  "cp",
  "mv",
  "echo",
]);
/** Scripts of one command with options, and scripts with subcommands. */
const withSubcommands: ReadonlySet<string> = new Set(["model", "head"]);
const npmCommands: ReadonlySet<string> = new Set(["ci", "install", "pack", "audit"]);

/** The commands of one line. @throws Error for one that is not known */
export function invocationsOf(line: string): Invocation[] {
  return splitLine(line).map(parse);
}

function parse(words: readonly string[]): Invocation {
  const [program = "", ...rest] = words;
  if (program === "npm") return parseNpm(rest);
  if (program === "npx") return parseNpx(rest);
  if (program === "curl") return describe("curl", rest, ["curl", "--help", "all"]);
  if (program === "node") return describe("node", rest, undefined);
  if (others.has(program)) return { ...describe(program, rest, undefined), flags: [] };
  throw new Error(`no known command: ${words.join(" ")}`);
}

function parseNpm(all: readonly string[]): Invocation {
  const args = all.filter((word) => word !== "--silent");
  const [command = "", ...rest] = args;
  if (npmCommands.has(command)) return describe(`npm ${command}`, rest, undefined);
  const direct = command === "start" || command === "test";
  if (!direct && command !== "run") throw new Error(`no known command: npm ${all.join(" ")}`);
  const script = direct ? command : (rest[0] ?? "");
  const dashes = rest.indexOf("--");
  const own = dashes === -1 ? [] : rest.slice(dashes + 1);
  const sub = withSubcommands.has(script) && own[0] !== undefined && !own[0].startsWith("-") ? [own[0]] : [];
  const name = [direct ? "npm" : "npm run", script, ...sub].join(" ");
  const help = own.length > 0 ? ["npm", "run", "--silent", script, "--", ...sub, "--help"] : undefined;
  return { ...describe(name, own.slice(sub.length), help), script };
}

function parseNpx([tool = "", ...rest]: readonly string[]): Invocation {
  // The project's Node, where the one outside is older.
  if (tool === "node") return describe("node", rest, undefined);
  if (tool === "vitest") return describe("npx vitest", rest, ["npx", "vitest", "--help"]);
  if (tool !== "wrangler") throw new Error(`no known command: npx ${tool}`);
  const sub: string[] = [];
  for (const word of rest) {
    if (word.startsWith("-")) break;
    sub.push(word);
    if (!groups.has(word)) break;
  }
  return describe(`npx wrangler ${sub.join(" ")}`, rest.slice(sub.length), [
    "npx",
    "wrangler",
    ...sub,
    "--help",
  ]);
}

function describe(name: string, args: readonly string[], help: readonly string[] | undefined): Invocation {
  const flags = args.filter((word) => /^--?[a-z]/i.test(word)).map((flag) => flag.replace(/=.*$/, ""));
  return { name, flags, words: args.filter((word) => !word.startsWith("-")), help, script: undefined };
}

/** Words by white space, quotes kept together; commands by `&&`, `|` and `;`. */
function splitLine(line: string): string[][] {
  const commands: string[][] = [[]];
  for (const [raw] of line.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)) {
    if (raw === "&&" || raw === "|" || raw === ";") commands.push([]);
    else commands.at(-1)?.push(raw.replaceAll(/["']/g, ""));
  }
  return commands;
}
