/** Quantities as horizontal bars from 0. Pure. */
import { numberText } from "./format.ts";
import { createScale } from "./scale.ts";
import { element, type Panel, place, text } from "./svg.ts";

export interface BarChart {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly {
    readonly name: string;
    readonly value: number;
    /** Ours, in another colour. */
    readonly own: boolean;
  }[];
  /** A level to compare with. */
  readonly limit?: { readonly value: number; readonly label: string };
}

const barHeight = 18;
const pitch = 26;
const margin = { top: 40, right: 84, bottom: 34, left: 236 };

export function barChart({ title, unit, bars, limit }: BarChart, width: number): Panel {
  const [left, right] = [margin.left, width - margin.right];
  const bottom = margin.top + bars.length * pitch;
  const values = [...bars.map(({ value }) => value), ...(limit ? [limit.value] : [])];
  const x = createScale("linear", values, [left, right]);
  const grid = x.ticks.flatMap((tick) => {
    const at = place(x.at(tick));
    return [
      element("line", { class: "grid", x1: at, x2: at, y1: margin.top - 4, y2: bottom }),
      text(numberText(tick), { class: "faint", x: at, y: bottom + 16, "text-anchor": "middle" }),
    ];
  });
  const drawn = bars.flatMap(({ name, value, own }, i) => {
    const top = margin.top + i * pitch;
    const length = place(Math.max(1, x.at(value) - left));
    return [
      text(name, { x: left - 8, y: top + 13, "text-anchor": "end" }),
      element("rect", {
        class: `bar fill${own ? 1 : 0}`,
        x: left,
        y: top,
        width: length,
        height: barHeight,
        rx: 2,
      }),
      text(numberText(value), { class: "small", x: place(left + length + 6), y: top + 13 }),
    ];
  });
  const level = limit ? place(x.at(limit.value)) : 0;
  const limitLine = limit
    ? [
        element("line", { class: "limit", x1: level, x2: level, y1: margin.top - 10, y2: bottom }),
        text(limit.label, { class: "faint small", x: level + 4, y: margin.top - 6 }),
      ]
    : [];
  return {
    height: bottom + margin.bottom,
    content: [
      text(title, { class: "title", x: 16, y: 22 }),
      ...grid,
      text(unit, { class: "faint", x: right + 18, y: bottom + 16 }),
      ...drawn,
      ...limitLine,
    ],
  };
}
