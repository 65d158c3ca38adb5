/** Parser of a large whole number on the command line, for commander. */
import { InvalidArgumentError } from "commander";

const maxAmount = 1e12;

/** Underscores and exponents may be used: `1_000_000`, `1e6`. */
export function parseAmount(value: string): number {
  const number = Number(value.replaceAll("_", ""));
  if (value.trim() !== "" && Number.isInteger(number) && number >= 1 && number <= maxAmount) return number;
  throw new InvalidArgumentError(`expected an integer from 1 to ${maxAmount}`);
}
