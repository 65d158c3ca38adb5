/** Curves over two axes, their points labelled. Pure. */
import { numberText } from "./format.ts";
import { createScale, type Scale, type ScaleKind } from "./scale.ts";
import { element, mark, type Panel, place, text } from "./svg.ts";

export interface Curve {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly x: ScaleKind;
  readonly y: ScaleKind;
  readonly curves: readonly Curve[];
  /** So many points that only the highest of each curve is marked and labelled. */
  readonly dense?: boolean;
  /** A level to compare with. */
  readonly limit?: { readonly y: number; readonly label: string };
}

const plotHeight = 210;
const margin = { top: 56, right: 24, bottom: 48, left: 64 };
const labelHeight = 11;
const labelCharacterWidth = 6;

export function lineChart(chart: LineChart, width: number): Panel {
  const { curves, limit } = chart;
  const marked = chart.dense ? curves.map(highest) : curves;
  const [left, right] = [margin.left, width - margin.right];
  const [top, bottom] = [margin.top, margin.top + plotHeight];
  const points = curves.flatMap((curve) => curve.points);
  const levels = [...points.map(({ y }) => y), ...(limit ? [limit.y] : [])];
  const x = createScale(
    chart.x,
    points.map((point) => point.x),
    [left + 12, right - 12],
  );
  const y = createScale(chart.y, levels, [bottom, top]);
  const drawn = curves.map((curve, series) => curveOf(curve, marked[series]!, series, x, y));
  return {
    height: bottom + margin.bottom,
    content: [
      text(chart.title, { class: "title", x: left, y: 22 }),
      ...legend(curves, left),
      ...x.ticks.map((tick) =>
        text(numberText(tick), {
          class: "faint",
          x: place(x.at(tick)),
          y: bottom + 18,
          "text-anchor": "middle",
        }),
      ),
      ...y.ticks.flatMap((tick) => gridLine(tick, y, left, right)),
      text(chart.xLabel, { x: (left + right) / 2, y: bottom + 38, "text-anchor": "middle" }),
      text(chart.yLabel, {
        transform: `translate(16 ${(top + bottom) / 2}) rotate(-90)`,
        "text-anchor": "middle",
      }),
      ...(limit ? limitLine(limit, y, left, right) : []),
      ...drawn,
      ...pointLabels(marked, x, y, { left, right, top, bottom }),
    ],
  };
}

/** The curve's highest point alone. */
function highest({ name, points }: Curve): Curve {
  return { name, points: points.filter((point) => points.every(({ y }) => y <= point.y)).slice(0, 1) };
}

function curveOf({ points }: Curve, marked: Curve, series: number, x: Scale, y: Scale): string {
  const path = points.map(
    (point, i) => `${i === 0 ? "M" : "L"}${place(x.at(point.x))} ${place(y.at(point.y))}`,
  );
  const line = element("path", { class: `line line${series}`, d: path.join("") });
  return [line, ...marked.points.map((point) => mark(series, x.at(point.x), y.at(point.y)))].join("");
}

function gridLine(tick: number, y: Scale, left: number, right: number): string[] {
  const at = place(y.at(tick));
  return [
    element("line", { class: "grid", x1: left, x2: right, y1: at, y2: at }),
    text(numberText(tick), { class: "faint", x: left - 8, y: at + 4, "text-anchor": "end" }),
  ];
}

function limitLine(
  { y: level, label }: { y: number; label: string },
  y: Scale,
  left: number,
  right: number,
): string[] {
  const at = place(y.at(level));
  return [
    element("line", { class: "limit", x1: left, x2: right, y1: at, y2: at }),
    text(label, { class: "faint small", x: right, y: at - 4, "text-anchor": "end" }),
  ];
}

function legend(curves: readonly Curve[], left: number): string[] {
  let x = left + 6;
  return curves.flatMap(({ name }, series) => {
    const entry = [mark(series, x, 38), text(name, { x: x + 10, y: 42 })];
    x += 34 + 6.6 * name.length;
    return entry;
  });
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/**
 * Above its point, or below; first where no other curve is. None where another label or point is: a reader can follow
 * the curve there.
 */
function pointLabels(curves: readonly Curve[], x: Scale, y: Scale, frame: Box): string[] {
  const taken = curves.flatMap(({ points }) => points.map((p) => around(x.at(p.x), y.at(p.y) + 4, 8, 8)));
  const labels: string[] = [];
  for (const [series, { points }] of curves.entries()) {
    for (const point of points) {
      const label = numberText(point.y);
      const [cx, cy] = [x.at(point.x), y.at(point.y)];
      const [above, below] = [cy - 8, cy + 8 + labelHeight];
      const higher = curves.some((other) => other.points.some((p) => p.x === point.x && p.y > point.y));
      const boxes = (higher ? [below, above] : [above, below]).map((baseline) =>
        around(cx, baseline, label.length * labelCharacterWidth, labelHeight),
      );
      const free = boxes.find(
        (box) =>
          box.top >= frame.top - 14 &&
          box.bottom <= frame.bottom &&
          !taken.some((other) => overlap(box, other)),
      );
      if (!free) continue;
      taken.push(free);
      const at = { x: place(cx), y: place(free.bottom), "text-anchor": "middle" };
      labels.push(text(label, { class: `small fill${series}`, ...at }));
    }
  }
  return labels;
}

function around(x: number, bottom: number, width: number, height: number): Box {
  return { left: x - width / 2, right: x + width / 2, top: bottom - height, bottom };
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
