/** Parsers of command line options, for commander. Each throws InvalidArgumentError for a value that it refuses. */
import { InvalidArgumentError } from "commander";
import { packNameSchema } from "../../src/model/manifest.ts";

/** Parses a TCP port. */
export const parsePort = integer(1, 65_535);

/** Parses a small count. */
export const parseCount = integer(1, 100_000);

/** Parses the number of folds of a cross-validation. */
export const parseFolds = integer(2, 100);

/** Parses minutes, with fractions, up to a day. */
export function parseMinutes(value: string): number {
  return parseNumber(value, (number) => number > 0 && number <= 1440, "minutes, over 0 and up to 1440");
}

/** Parses milliseconds, with fractions. */
export function parseMs(value: string): number {
  return parseNumber(value, (number) => number >= 0 && number <= 1e6, "milliseconds");
}

/** Parses a share from 0 to 1. */
export function parseShare(value: string): number {
  return parseNumber(value, (number) => number >= 0 && number <= 1, "a share from 0 to 1");
}

/** Parses mebibytes, with fractions, and returns bytes. */
export function parseMebibytes(value: string): number {
  const mebibytes = parseNumber(value, (number) => number > 0 && number <= 1024, "mebibytes, over 0");
  return Math.round(mebibytes * 2 ** 20);
}

/** Parses a large count, which may have underscores or an exponent: `1_000_000`, `1e6`. */
export function parseAmount(value: string): number {
  const isAmount = (number: number) => Number.isInteger(number) && number >= 1 && number <= 1e12;
  return parseNumber(value.replaceAll("_", ""), isAmount, "an integer from 1 to 1000000000000");
}

/** Parses the name of a pack or a head. */
export function parseName(value: string): string {
  const { data, error } = packNameSchema.safeParse(value);
  if (data !== undefined) return data;
  throw new InvalidArgumentError(error?.issues[0]?.message ?? "expected another name");
}

function integer(min: number, max: number): (value: string) => number {
  return (value) => {
    const isValid = (number: number) => /^\d+$/.test(value) && number >= min && number <= max;
    return parseNumber(value, isValid, `an integer from ${min} to ${max}`);
  };
}

function parseNumber(value: string, isValid: (number: number) => boolean, expected: string): number {
  const number = Number(value);
  if (value.trim() !== "" && isValid(number)) return number;
  throw new InvalidArgumentError(`expected ${expected}`);
}
