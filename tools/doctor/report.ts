/** Findings for people: marks and colours on a terminal, words elsewhere. */
import { styleText } from "node:util";
import type { Section } from "./examine.ts";
import type { Finding } from "./finding.ts";

const marks = { ok: ["✔", "green"], warning: ["!", "yellow"], broken: ["✖", "red"] } as const;

export function sectionText({ check, findings }: Section, terminal: boolean): string {
  const lines = findings.flatMap((finding) => {
    const mark = markOf(finding.level, terminal);
    const indent = " ".repeat(terminal ? 4 : 10);
    const mend = finding.level === "ok" ? [] : [`${indent}mend: ${finding.mend}`];
    return [`  ${mark} ${finding.what}`, ...mend];
  });
  return [terminal ? styleText("bold", check) : check, ...lines].join("\n");
}

export function summaryText(sections: readonly Section[]): string {
  const count = (level: Finding["level"]) =>
    sections.flatMap(({ findings }) => findings).filter((finding) => finding.level === level).length;
  const [warnings, faults] = [count("warning"), count("broken")];
  const told = `${faults} broken, ${warnings} ${warnings === 1 ? "warning" : "warnings"}`;
  return faults + warnings === 0 ? "all is well" : told;
}

function markOf(level: Finding["level"], terminal: boolean): string {
  if (!terminal) return level.padEnd(7);
  const [mark, colour] = marks[level];
  return styleText(colour, mark);
}
