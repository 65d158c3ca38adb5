/** Charts one below the other in one SVG. Pure. */
import { type BarChart, barChart } from "./bar-chart.ts";
import { type LineChart, lineChart } from "./line-chart.ts";
import { document, element, type Panel } from "./svg.ts";

const sheetWidth = 760;

export function lineSheet(title: string, charts: readonly LineChart[]): string {
  return sheet(
    title,
    charts.map((chart) => lineChart(chart, sheetWidth)),
  );
}

export function barSheet(title: string, charts: readonly BarChart[]): string {
  return sheet(
    title,
    charts.map((chart) => barChart(chart, sheetWidth)),
  );
}

function sheet(title: string, panels: readonly Panel[]): string {
  let y = 0;
  const placed = panels.map(({ height, content }) => {
    const group = element(
      "g",
      { transform: `translate(0 ${y})` },
      ...content.map((part) => `\n${part}`),
      "\n",
    );
    y += height + 8;
    return group;
  });
  return document(sheetWidth, y, title, placed);
}
