/** Prints findings for people: marks and colours on a terminal, words elsewhere. */
import { styleText } from "node:util";
import type { Section } from "./examine.ts";

const marks = { ok: ["✔", "green"], warning: ["!", "yellow"], broken: ["✖", "red"] } as const;

/** Formats one check and its findings. */
export function sectionText({ check, findings }: Section, terminal: boolean): string {
  const lines = findings.flatMap((finding) => {
    const [mark, colour] = marks[finding.level];
    const shown = terminal ? styleText(colour, mark) : finding.level.padEnd(7);
    const indent = " ".repeat(terminal ? 4 : 10);
    return [
      `  ${shown} ${finding.what}`,
      ...(finding.level === "ok" ? [] : [`${indent}fix: ${finding.fix}`]),
    ];
  });
  return [terminal ? styleText("bold", check) : check, ...lines].join("\n");
}

/** Counts what is not well. */
export function summaryText(sections: readonly Section[]): string {
  const levels = sections.flatMap(({ findings }) => findings.map(({ level }) => level));
  const count = (level: string) => levels.filter((other) => other === level).length;
  const [warnings, faults] = [count("warning"), count("broken")];
  if (faults + warnings === 0) return "all is well";
  return `${faults} broken, ${warnings} ${warnings === 1 ? "warning" : "warnings"}`;
}
