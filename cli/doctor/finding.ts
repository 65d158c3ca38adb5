/** What a check found, how to fix it, and how that is printed. */
import { styleText } from "node:util";
import { CommandError } from "../terminal/fail.ts";

/** One result of a check. */
export type Finding =
  | { readonly level: "ok"; readonly what: string }
  | { readonly level: "warning" | "broken"; readonly what: string; readonly fix: string };

/** The findings of one check. */
export interface Section {
  readonly check: string;
  readonly findings: readonly Finding[];
}

/** What to check. Tests point it at copies of the project. */
export interface Target {
  /** The project's folder, with package.json and wrangler.toml. */
  readonly folder: string;
  /** Port of `npm start`. */
  readonly port: number;
  /** Port of wrangler's inspector. */
  readonly inspectorPort: number;
  /** Whether to check the bucket in the Cloudflare account too. */
  readonly remote: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Checks one thing and returns everything it found. */
export type Check = (target: Target) => Promise<Finding[]>;

/** Everything is as it should be. */
export const ok = (what: string): Finding => ({ level: "ok", what });
/** It works, but not as expected. */
export const warning = (what: string, fix: string): Finding => ({ level: "warning", what, fix });
/** A documented feature does not work. */
export const broken = (what: string, fix: string): Finding => ({ level: "broken", what, fix });

/** Turns a CommandError into a finding. Throws any other error again. */
export function brokenBy(error: unknown, fix?: string): Finding {
  if (!(error instanceof CommandError)) throw error;
  return broken(error.what, fix ?? error.fix);
}

const marks = { ok: ["✔", "green"], warning: ["!", "yellow"], broken: ["✖", "red"] } as const;

/** Formats one check and its findings: marks and colours on a terminal, words elsewhere. */
export function sectionText({ check, findings }: Section, terminal: boolean): string {
  const lines = findings.flatMap((finding) => {
    const [mark, colour] = marks[finding.level];
    const shown = terminal ? styleText(colour, mark) : finding.level.padEnd(7);
    const fixIndent = " ".repeat(terminal ? 4 : 10);
    const fix = finding.level === "ok" ? [] : [`${fixIndent}fix: ${finding.fix}`];
    return [`  ${shown} ${finding.what}`, ...fix];
  });
  return [terminal ? styleText("bold", check) : check, ...lines].join("\n");
}

/** Counts the warnings and faults. */
export function summaryText(sections: readonly Section[]): string {
  const levels = sections.flatMap(({ findings }) => findings.map(({ level }) => level));
  const count = (level: string) => levels.filter((other) => other === level).length;
  const [warnings, faults] = [count("warning"), count("broken")];
  if (faults + warnings === 0) return "no problems found";
  return `${faults} broken, ${warnings} ${warnings === 1 ? "warning" : "warnings"}`;
}
