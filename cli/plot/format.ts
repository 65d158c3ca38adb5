/** Formats numbers for people. */

/** Formats a number with three significant digits, or with all digits before its decimal point. NaN is a dash. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const rounded = value.toFixed(Math.min(4, digits));
  const plain = rounded.includes(".") ? rounded.replace(/\.?0+$/, "") : rounded;
  return grouped(plain);
}

/** `12345.6` as `12,345.6`. */
function grouped(plain: string): string {
  const [whole = "", ...fraction] = plain.split(".");
  const separated = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return [separated, ...fraction].join(".");
}

/** Formats bytes as a number of MiB. */
export function mebibytesText(bytes: number): string {
  return numberText(bytes / 2 ** 20);
}

/** Formats dollars. */
export function moneyText(dollars: number): string {
  return `$${grouped(dollars.toFixed(2))}`;
}

/** Formats a share from 0 to 1 as a percentage. */
export function shareText(share: number): string {
  return `${numberText(100 * share)}%`;
}
