/** Formats numbers for people. */

const threeDigits = new Intl.NumberFormat("en-US", {
  maximumSignificantDigits: 3,
  maximumFractionDigits: 0,
  roundingPriority: "morePrecision",
});
const dollarAmount = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });

/**
 * Formats a number with three significant digits, or with all digits before its decimal point: below a millionth as in
 * 6.17e-18. NaN is a dash.
 */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return value !== 0 && Math.abs(value) < 1e-6 ? value.toExponential(2) : threeDigits.format(value);
}

/** Formats bytes as a number of MiB. */
export function mebibytesText(bytes: number): string {
  return numberText(bytes / 2 ** 20);
}

/** Formats dollars. */
export function moneyText(dollars: number): string {
  return dollarAmount.format(dollars);
}

/** Formats a share from 0 to 1 as a percentage. */
export function shareText(share: number): string {
  return `${numberText(100 * share)}%`;
}
