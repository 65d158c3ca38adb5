/** Fills the Markdown templates of this folder. */
import { readFileSync } from "node:fs";
import path from "node:path";

/**
 * Replaces each `{{name}}` of `<template>.template.md` with the value of that name. An empty value leaves no gap.
 * @throws Error when a value is missing
 */
export function fillTemplate(template: string, values: Readonly<Record<string, string | number>>): string {
  const text = readFileSync(path.join(import.meta.dirname, `${template}.template.md`), "utf8");
  const filled = text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    if (values[name] === undefined) throw new Error(`${template}.template.md needs a value for ${name}`);
    return String(values[name]);
  });
  return filled.replaceAll(/\n{3,}/g, "\n\n");
}
