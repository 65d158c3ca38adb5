/** Parses a documented command line: programs, subcommands, flags and files. */
import { type ParseEntry, parse as parseShell } from "shell-quote";

/** One program call of a command line. */
export interface Invocation {
  /** `npm run model push`, `npx wrangler secret put`, `curl`, ... */
  readonly name: string;
  readonly flags: readonly string[];
  /** Arguments that are not flags. */
  readonly words: readonly string[];
  /** The command that prints its help. Undefined where no help lists the flags. */
  readonly help: readonly string[] | undefined;
}

/** Words of wrangler that a subcommand follows. */
const groups: ReadonlySet<string> = new Set([
  "secret",
  "r2",
  "kv",
  "deployments",
  "namespace",
  "bucket",
  "lifecycle",
  "queues",
  "d1",
  "migrations",
  "notification",
]);
/** Scripts of this project that have subcommands. */
const withSubcommands: ReadonlySet<string> = new Set(["model", "head", "bucket"]);
const npmCommands: ReadonlySet<string> = new Set(["ci", "install", "pack", "audit"]);
/** Programs that do not belong to the project. Their flags are not checked. */
const others: ReadonlySet<string> = new Set("git cd openssl export sh rm cp mv echo".split(" "));

/**
 * Splits a line into the calls that it makes.
 * @throws Error for a program that the documentation is not expected to use
 */
export function invocationsOf(line: string): Invocation[] {
  const calls: string[][] = [[]];
  // Keeps variables as they are written: they have no values here.
  for (const word of parseShell(line, (name) => `$${name}`)) {
    if (isControl(word)) calls.push([]);
    else if (typeof word === "string") calls.at(-1)?.push(word);
    else if ("op" in word && word.op === "glob") calls.at(-1)?.push(word.pattern);
  }
  return calls.map(invocationOf);
}

function isControl(word: ParseEntry): boolean {
  return typeof word === "object" && "op" in word && ["&&", "|", ";"].includes(word.op);
}

function invocationOf(words: readonly string[]): Invocation {
  const [program = "", ...rest] = words;
  if (program === "npm") return ofNpm(rest);
  if (program === "npx") return ofNpx(rest);
  if (program === "curl") return describe("curl", rest, ["curl", "--help", "all"]);
  if (program === "node") return describe("node", rest);
  if (others.has(program)) return { ...describe(program, rest), flags: [] };
  throw new Error(`unknown command: ${words.join(" ")}`);
}

function ofNpm(all: readonly string[]): Invocation {
  const [command = "", ...rest] = all.filter((word) => word !== "--silent");
  if (npmCommands.has(command)) return describe(`npm ${command}`, rest);
  const direct = command === "start" || command === "test";
  if (!direct && command !== "run") throw new Error(`unknown command: npm ${all.join(" ")}`);
  const script = direct ? command : (rest[0] ?? "");
  const dashes = rest.indexOf("--");
  const args = dashes === -1 ? [] : rest.slice(dashes + 1);
  const hasSubcommand = withSubcommands.has(script) && args[0] !== undefined && !args[0].startsWith("-");
  const subcommand = hasSubcommand ? args.slice(0, 1) : [];
  const name = [direct ? "npm" : "npm run", script, ...subcommand].join(" ");
  const help = ["npm", "run", "--silent", script, "--", ...subcommand, "--help"];
  return describe(name, args.slice(subcommand.length), args.length > 0 ? help : undefined);
}

function ofNpx([tool = "", ...rest]: readonly string[]): Invocation {
  // npx node runs the project's Node where the installed one is older.
  if (tool === "node") return describe("node", rest);
  if (tool === "vitest") return describe("npx vitest", rest, ["npx", "vitest", "--help"]);
  if (tool !== "wrangler") throw new Error(`unknown command: npx ${tool}`);
  const end = rest.findIndex((word) => !groups.has(word)) + 1;
  const subcommand = rest.slice(0, end).filter((word) => !word.startsWith("-"));
  const name = `npx wrangler ${subcommand.join(" ")}`;
  return describe(name, rest.slice(subcommand.length), ["npx", "wrangler", ...subcommand, "--help"]);
}

function describe(name: string, args: readonly string[], help?: readonly string[]): Invocation {
  const flags = args.filter((word) => /^--?[a-z]/i.test(word)).map((flag) => flag.replace(/=.*$/, ""));
  return { name, flags, words: args.filter((word) => !word.startsWith("-")), help };
}
