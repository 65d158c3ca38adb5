/** Parsers of command line options, for commander. */
import { InvalidArgumentError } from "commander";

export function parsePort(value: string): number {
  return parseInteger(value, 1, 65_535);
}

export function parseCount(value: string): number {
  return parseInteger(value, 1, 100_000);
}

function parseInteger(value: string, min: number, max: number): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= min && number <= max) return number;
  throw new InvalidArgumentError(`expected an integer from ${min} to ${max}`);
}
