/** Parsers of command line options, for commander. */
import { InvalidArgumentError } from "commander";
import { packNameSchema } from "../../src/model/manifest.ts";

export function parsePort(value: string): number {
  return parseInteger(value, 1, 65_535);
}

export function parseCount(value: string): number {
  return parseInteger(value, 1, 100_000);
}

/** Folds of a cross-validation. */
export function parseFolds(value: string): number {
  return parseInteger(value, 2, 100);
}

/** Minutes, fractions too, up to a day. */
export function parseMinutes(value: string): number {
  const number = Number(value);
  if (value.trim() !== "" && number > 0 && number <= 1440) return number;
  throw new InvalidArgumentError("expected minutes, over 0 and up to 1440");
}

/** 0 to 1. */
export function parseShare(value: string): number {
  const number = Number(value);
  if (value.trim() !== "" && number >= 0 && number <= 1) return number;
  throw new InvalidArgumentError("expected a share from 0 to 1");
}

/** Mebibytes, fractions too, as bytes. */
export function parseMebibytes(value: string): number {
  const number = Number(value);
  if (value.trim() !== "" && number > 0 && number <= 1024) return Math.round(number * 2 ** 20);
  throw new InvalidArgumentError("expected mebibytes, over 0");
}

/** The name of a pack or a head, as its file takes it. */
export function parseName(value: string): string {
  const parsed = packNameSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(parsed.error.issues[0]?.message ?? "expected another name");
}

export function choiceOf<const T extends string>(...choices: readonly T[]): (value: string) => T {
  return (value) => {
    const choice = choices.find((c) => c === value);
    if (choice !== undefined) return choice;
    throw new InvalidArgumentError(`expected ${choices.join(" or ")}`);
  };
}

function parseInteger(value: string, min: number, max: number): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= min && number <= max) return number;
  throw new InvalidArgumentError(`expected an integer from ${min} to ${max}`);
}
