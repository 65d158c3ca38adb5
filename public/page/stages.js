/** Shows the server's timings. Local servers only: the clocks of a deployed Worker stand still during CPU work. */
import { bar, element } from "./elements.js";

const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

/**
 * Parses a Server-Timing header.
 * @param {string} serverTiming such as `read;dur=1.5, run;dur=20`
 * @returns {{name: string, ms: number}[]}
 */
export function stagesOf(serverTiming) {
  return serverTiming.split(",").flatMap((entry) => {
    const [name = "", ...parameters] = entry.trim().split(";");
    const duration = parameters.map((p) => p.trim()).find((p) => p.startsWith("dur="));
    return name === "" || duration === undefined ? [] : [{ name, ms: Number(duration.slice(4)) }];
  });
}

/**
 * Draws the stages as a waterfall. Returns undefined for a deployed Worker or without timings.
 * @param {string} serverTiming `total` is the whole request; the other stages follow each other
 */
export function waterfall(serverTiming) {
  const all = stagesOf(serverTiming);
  const stages = all.filter(({ name, ms }) => name !== "total" && ms >= 0.05);
  const sumMs = stages.reduce((sum, { ms }) => sum + ms, 0);
  const totalMs = Math.max(sumMs, all.find(({ name }) => name === "total")?.ms ?? 0);
  if (!local || stages.length === 0) return undefined;
  let startMs = 0;
  const rows = stages.map(({ name, ms }) => {
    const row = element(
      "li",
      "",
      element("span", "", name),
      bar(startMs / totalMs, ms / totalMs),
      element("span", "score", `${ms.toFixed(1)} ms`),
    );
    startMs += ms;
    return row;
  });
  return element("ol", "stages", ...rows);
}
