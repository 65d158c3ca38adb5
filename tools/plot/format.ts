/** Numbers as people read them: three digits that count, or as many as the number has before its point. Pure. */

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

export function mebibytesText(bytes: number): string {
  return numberText(bytes / 2 ** 20);
}

export function moneyText(dollars: number): string {
  return `$${grouped(dollars.toFixed(2))}`;
}

export function shareText(share: number): string {
  return `${numberText(100 * share)}%`;
}
