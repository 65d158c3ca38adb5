/** Draws the charts of the documents with Observable Plot, without a browser: curves over two axes, and horizontal bars. */
import * as Plot from "@observablehq/plot";
import { DOMParser } from "linkedom";
import { numberText } from "./format.ts";

/** Width of every sheet of charts, in pixels. */
const sheetWidth = 760;

/** Colours on a light page, and in their place on a dark one. */
const colours = {
  ground: ["#ffffff", "#0d1117"],
  text: ["#1f2328", "#f0f6fc"],
  faint: ["#59636e", "#9198a1"],
  grid: ["#d8dee4", "#30363d"],
  blue: ["#0b63c4", "#6cb6ff"],
  orange: ["#bc4c00", "#ffa657"],
  green: ["#1a7f37", "#56d364"],
  violet: ["#8250df", "#d2a8ff"],
} as const;

/** The light colours by name, for the marks of a chart. */
export const ink = Object.fromEntries(
  Object.entries(colours).map(([name, [light]]) => [name, light]),
) as Record<keyof typeof colours, string>;

const darkRules = Object.values(colours)
  .map(([light, dark]) => `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`)
  .join("");
const style = `text{font-family:system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif}@media (prefers-color-scheme:dark){${darkRules}}`;

/** A halo in the background colour, which keeps a label readable on top of a line. */
export const halo = { stroke: ink.ground, strokeWidth: 3, fontSize: 10 } as const;

/** A chart's title, in its upper left corner. @param dy pixels from the top of the frame */
export function titleMark(title: string, dx: number, dy: number): Plot.Text {
  const place = { frameAnchor: "top-left", dx, dy } as const;
  return Plot.text([title], { ...place, fill: ink.text, fontSize: 14, fontWeight: 600 });
}

/**
 * Draws charts one below the other in one SVG document.
 * @param title what a screen reader announces
 */
export function drawSheet(title: string, charts: readonly Plot.PlotOptions[], width = sheetWidth): string {
  const document = new DOMParser().parseFromString("<svg/>", "image/svg+xml") as unknown as Document;
  let height = 0;
  const drawn = charts.map((options) => {
    const svg = Plot.plot({ width, document, ...options });
    svg.setAttribute("y", String(height));
    height += Number(svg.getAttribute("height"));
    // Plot's own style sheet sets a background for each chart; this document has one of its own.
    svg.querySelector("style")?.remove();
    return svg.outerHTML;
  });
  const label = document.createElement("title");
  label.textContent = title;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
${label.outerHTML}<style>${style}</style><rect class="ground" width="100%" height="100%" fill="${ink.ground}"/>
${drawn.join("\n")}
</svg>
`;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** One line of a chart. */
export interface Curve {
  readonly name: string;
  readonly points: readonly Point[];
}

/** Curves over two axes. */
export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** "log2" has its ticks at powers of two. A linear axis starts at 0. */
  readonly x: "linear" | "log" | "log2";
  readonly y: "linear" | "log";
  readonly curves: readonly Curve[];
  /** Marks and labels only the highest point of each curve. */
  readonly dense?: boolean;
  /** A level to compare with, drawn as a dashed line. */
  readonly limit?: { readonly y: number; readonly label: string };
}

/** Horizontal bars. */
export interface BarChart {
  readonly title: string;
  readonly unit: string;
  /** `own` bars are this project's, in a colour of their own. */
  readonly bars: readonly { readonly name: string; readonly value: number; readonly own: boolean }[];
  /** A level to compare with, drawn as a dashed line. */
  readonly limit?: { readonly value: number; readonly label: string };
}

/** Curves differ in colour and in symbol, since not everyone can tell colours apart. */
const curveColours = [ink.blue, ink.orange, ink.green, ink.violet];
const curveSymbols = ["circle", "square", "triangle", "diamond"] as const;
const maxLabels = 15;
const axisStyle = {
  color: ink.faint,
  tickSize: 0,
  text: numberText,
  labelAnchor: "center",
  labelArrow: "none",
} as const;
const limitLabel = { ...halo, fill: ink.faint, text: "label" } as const;
const dashed = { stroke: ink.faint, strokeDasharray: "4 3" } as const;

/** Draws line charts below each other. @returns an SVG document */
export function lineSheet(title: string, charts: readonly LineChart[]): string {
  return drawSheet(title, charts.map(lineChart));
}

/** Draws bar charts below each other. @returns an SVG document */
export function barSheet(title: string, charts: readonly BarChart[]): string {
  return drawSheet(title, charts.map(barChart));
}

function lineChart({ title, xLabel, yLabel, x, y, curves, dense, limit }: LineChart): Plot.PlotOptions {
  const points = curves.flatMap((curve) => curve.points);
  const limits = limit ? [limit] : [];
  const xs = points.map((point) => point.x);
  const ys = [...points, ...limits].map((point) => point.y);
  const [xAxis, yAxis] = [axisOf(x, xs), axisOf(y, ys)];
  const legendX = (i: number) =>
    curves.slice(0, i).reduce((left, { name }) => left + 34 + 6.6 * name.length, 12);
  return {
    height: 314,
    marginTop: 56,
    marginRight: 24,
    marginBottom: 48,
    marginLeft: 64,
    style: { fontSize: "12px" },
    x: { ...xAxis.scale, label: xLabel, inset: 12 },
    y: { ...yAxis.scale, label: yLabel, inset: 12 },
    marks: [
      titleMark(title, 0, -48),
      Plot.gridY({ ticks: yAxis.ticks, stroke: ink.grid, strokeOpacity: 1 }),
      Plot.axisX({ ...axisStyle, ticks: xAxis.ticks, labelOffset: 38 }),
      Plot.axisY({ ...axisStyle, ticks: yAxis.ticks, labelOffset: 52 }),
      ...curves.flatMap((curve, i) => {
        const colour = curveColours[i % curveColours.length]!;
        const symbol = curveSymbols[i % curveSymbols.length]!;
        const marked = dense ? curve.points.toSorted((a, b) => b.y - a.y).slice(0, 1) : curve.points;
        const place = { frameAnchor: "top-left", dx: legendX(i), dy: -18 } as const;
        return [
          Plot.dot([curve.name], { ...place, r: 4, symbol, fill: colour }),
          Plot.text([curve.name], { ...place, dx: place.dx + 10, fill: ink.text, lineAnchor: "middle" }),
          Plot.lineY(curve.points, { x: "x", y: "y", stroke: colour, strokeWidth: 2 }),
          Plot.dot(marked, { x: "x", y: "y", r: 4, symbol, fill: colour }),
          ...labels(marked, curves, colour),
        ];
      }),
      Plot.ruleY(limits, { ...dashed, y: "y" }),
      Plot.text(limits, { ...limitLabel, y: "y", frameAnchor: "right", dy: -8 }),
    ],
  };
}

function axisOf(kind: LineChart["x"], values: readonly number[]) {
  if (kind === "linear") return { scale: { nice: true, zero: true }, ticks: 7 };
  const ticks = logTicks(kind, Math.min(...values), Math.max(...values));
  return { scale: { type: "log" as const, domain: [ticks[0], ticks.at(-1)] }, ticks };
}

/**
 * Powers of two, or 1, 2 and 5 times powers of ten, that enclose the range from `min` to `max`.
 * @throws RangeError when `min` is not over 0
 */
export function logTicks(kind: "log" | "log2", min: number, max: number): number[] {
  if (!(min > 0)) throw new RangeError(`a logarithmic axis takes values over 0 only; received ${min}`);
  const exponents = Array.from({ length: 61 }, (_, i) => i - 30);
  const all =
    kind === "log2"
      ? exponents.map((exponent) => 2 ** exponent)
      : exponents.flatMap((exponent) => [1, 2, 5].map((digit) => Number(`${digit}e${exponent}`)));
  const first = all.findLastIndex((tick) => tick <= min);
  return all.slice(first, all.findIndex((tick, i) => tick >= max && i > first) + 1);
}

/** Labels the values of the highest curve above it, and those of the lowest below it. Curves in between have no labels. */
function labels(points: readonly Point[], curves: readonly Curve[], colour: string): Plot.Text[] {
  const others = ({ x }: Point) => curves.flatMap((curve) => curve.points.filter((point) => point.x === x));
  const every = Math.ceil(points.length / maxLabels);
  const shown = points.filter((_, i) => i % every === 0);
  const above = shown.filter((point) => others(point).every(({ y }) => y <= point.y));
  const below = shown.filter(
    (point) => !above.includes(point) && others(point).every(({ y }) => y >= point.y),
  );
  const text = { x: "x", y: "y", text: ({ y }: Point) => numberText(y), ...halo, fill: colour } as const;
  return [Plot.text(above, { ...text, dy: -11 }), Plot.text(below, { ...text, dy: 12 })];
}

function barChart({ title, unit, bars, limit }: BarChart): Plot.PlotOptions {
  const [marginTop, marginRight, marginBottom, marginLeft] = [40, 84, 34, 236];
  const limits = limit ? [limit] : [];
  const place = { x: "value", y: "name" } as const;
  const valueLabel = { ...halo, textAnchor: "start", fill: ink.text } as const;
  return {
    height: marginTop + 26 * bars.length + marginBottom + 8,
    marginTop,
    marginRight,
    marginBottom,
    marginLeft,
    style: { fontSize: "12px" },
    x: { nice: true, ticks: 7, label: unit },
    y: { domain: bars.map(({ name }) => name), padding: 0.3, label: null },
    marks: [
      titleMark(title, 16 - marginLeft, -34),
      Plot.gridX({ stroke: ink.grid, strokeOpacity: 1 }),
      Plot.axisX({ ...axisStyle, labelAnchor: "right", labelOffset: 16 }),
      Plot.axisY({ color: ink.text, tickSize: 0 }),
      Plot.barX(bars, {
        ...place,
        fill: ({ own }) => (own ? ink.orange : ink.blue),
        fillOpacity: 0.85,
        rx: 2,
      }),
      Plot.text(bars, { ...place, ...valueLabel, text: ({ value }) => numberText(value), dx: 6 }),
      Plot.ruleX(limits, { ...dashed, x: "value" }),
      Plot.text(limits, {
        ...limitLabel,
        x: "value",
        frameAnchor: "top",
        textAnchor: "start",
        dx: 4,
        dy: -12,
      }),
    ],
  };
}
