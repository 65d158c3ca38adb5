/** Formats numbers for people. */

const threeDigits = new Intl.NumberFormat("en-US", {
  maximumSignificantDigits: 3,
  maximumFractionDigits: 0,
  roundingPriority: "morePrecision",
});
const dollarAmount = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });

/** Formats a number with three significant digits, or with all digits before its decimal point. NaN is a dash. */
export function numberText(value: number): string {
  return Number.isFinite(value) ? threeDigits.format(value) : "–";
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
