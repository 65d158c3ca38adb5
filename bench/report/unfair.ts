/** Lists where the subjects of a comparison do not have equal conditions. */
import { mebibytesText, numberText } from "../../cli/plot/format.ts";
import { fillTemplate } from "../docs/template.ts";
import type { Results } from "../results/results.ts";
import { summarise } from "../results/samples.ts";
import { metrics, subjects } from "../subjects.ts";

/** Load by other programs, in cores, above which the figures are unreliable. */
const busyLoad = 0.5;
/** Wall time over CPU time of one request. Above it, other programs must have used the cores. */
const busyFactor = 1.3;

/** Returns one remark per line of the report: first what is wrong with this run, then what is always unfair. */
export function unfairness({ samples, machine, mode }: Results): string[] {
  const ours = (metric: string) => summarise(samples, "ours", metric)?.median;
  const floor = ours(metrics.floor);
  const [took, cpu] = [ours(metrics.warm("500x375")), ours(metrics.warmCpu("500x375"))];
  const remarks: string[] = [];
  if (mode === "quick") {
    remarks.push("A quick run: few rounds and few repeats. `npm run bench` measures in full.");
  }
  if (took !== undefined && cpu !== undefined && took > busyFactor * cpu) {
    remarks.push(
      `Something else ran meanwhile: a warm request that needs ${numberText(cpu)} ms of CPU took ${numberText(took)} ms. Measure again when the machine is quiet.`,
    );
  }
  if (machine.loadBefore > busyLoad) {
    remarks.push(
      `The machine was busy: other programs used ${numberText(machine.loadBefore)} of its ${machine.cores} cores before the run began.`,
    );
  }
  const always = fillTemplate("unfair", {
    floor: floor === undefined ? "" : `, ${numberText(floor)} ms for one that does nothing`,
    isolate: isolateText(samples),
  });
  return [...remarks, ...always.trim().replaceAll(/^- /gm, "").split("\n")];
}

/** The memory of the plain Workers, which nothing limits here. */
function isolateText(samples: Results["samples"]): string {
  const held = (["plain-int8", "plain-fp32"] as const).flatMap((name) => {
    const wasm = summarise(samples, name, metrics.wasmHeap)?.median;
    const js = summarise(samples, name, metrics.jsHeap)?.median;
    if (wasm === undefined || js === undefined) return [];
    return [`${mebibytesText(wasm + js)} MiB (${subjects[name].title})`];
  });
  if (held.length === 0) return "Deployed, an isolate that holds more is killed.";
  return `After its 12 MP photos the plain Worker's isolate held ${held.join(" and ")}, garbage included. A deployed one may hold 122.`;
}
