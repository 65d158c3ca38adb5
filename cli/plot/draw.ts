/** Draws charts with Observable Plot, without a browser, as SVG that follows the reader's light or dark setting. */
import * as Plot from "@observablehq/plot";
import { DOMParser } from "linkedom";

/** Width of every sheet of charts, in pixels. */
export const sheetWidth = 760;

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
