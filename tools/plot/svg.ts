/** SVG by hand: elements as strings, and one style sheet that reads in light and dark. Pure. */

/** Colours and marks of up to four series. */
export const seriesCount = 4;

/** A chart, drawn from its own upper left corner. */
export interface Panel {
  readonly height: number;
  readonly content: readonly string[];
}

type Attributes = Readonly<Record<string, string | number>>;

export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeText(String(value))}"`);
  const open = `<${name}${list.join("")}`;
  return children.length === 0 ? `${open}/>` : `${open}>${children.join("")}</${name}>`;
}

export function text(content: string, attributes: Attributes): string {
  return element("text", attributes, escapeText(content));
}

/** At most two decimals: enough for a screen, and no noise in diffs. */
export function place(value: number): number {
  return Math.round(value * 100) / 100;
}

export function escapeText(value: string): string {
  return value
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** A mark in the shape and colour of a series, so that colour alone never tells them apart. */
export function mark(series: number, x: number, y: number): string {
  const shapes = [
    "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0Z",
    "M-3.5-3.5H3.5V3.5H-3.5Z",
    "M0-5L4.5 3.5H-4.5Z",
    "M0-5L5 0L0 5L-5 0Z",
  ];
  const d = shapes[series % seriesCount]!;
  return element("path", {
    class: `fill${series % seriesCount}`,
    d,
    transform: `translate(${place(x)} ${place(y)})`,
  });
}

/** The whole drawing, on a ground of its own: where it is shown, the page may be lighter or darker than the system. */
export function document(width: number, height: number, title: string, content: readonly string[]): string {
  const ground = element("rect", { class: "ground", width, height, rx: 6 });
  const attributes = {
    xmlns: "http://www.w3.org/2000/svg",
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: "img",
  };
  const head = [element("title", {}, escapeText(title)), `<style>${styles}</style>`, ground];
  return `${element("svg", attributes, ...[...head, ...content].map((part) => `\n${part}`), "\n")}\n`;
}

interface Palette {
  readonly ground: string;
  readonly text: string;
  readonly faint: string;
  readonly grid: string;
  readonly series: readonly string[];
}

const light: Palette = {
  ground: "#ffffff",
  text: "#1f2328",
  faint: "#59636e",
  grid: "#d8dee4",
  series: ["#0b63c4", "#bc4c00", "#1a7f37", "#8250df"],
};
const dark: Palette = {
  ground: "#0d1117",
  text: "#f0f6fc",
  faint: "#9198a1",
  grid: "#30363d",
  series: ["#6cb6ff", "#ffa657", "#56d364", "#d2a8ff"],
};

const font = "font-family:system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif";
const styles = `
text{${font};font-size:12px}
.title{font-size:14px;font-weight:600}
.small{font-size:10px}
.line{fill:none;stroke-width:2}
.bar{fill-opacity:.85}
${rules(light)}
@media (prefers-color-scheme:dark){
${rules(dark)}
}
`;

function rules({ ground, text: ink, faint, grid, series }: Palette): string {
  const perSeries = series.map((colour, i) => `.fill${i}{fill:${colour}}\n.line${i}{stroke:${colour}}`);
  return [
    `.ground{fill:${ground}}`,
    `text{fill:${ink}}`,
    `.faint{fill:${faint}}`,
    // A rim in the ground's colour, so that numbers read on lines.
    `.small{stroke:${ground};stroke-width:3px;paint-order:stroke}`,
    `.grid{stroke:${grid};stroke-width:1}`,
    `.limit{stroke:${faint};stroke-width:1;stroke-dasharray:4 3}`,
    ...perSeries,
  ].join("\n");
}
