/** What a reader must know before comparing: where the subjects do not stand on equal ground. Pure. */

import { mebibytesText, numberText } from "../../plot/format.ts";
import type { Results } from "../results/results.ts";
import { summarise } from "../results/samples.ts";
import { metrics, subjects } from "../subjects.ts";

/** Others' work on the machine, in cores, from which on its figures are worth less. */
export const busyLoad = 0.5;

/** Wall time over CPU time of a request that waits for nothing, from which on others must have had the cores. */
const busyFactor = 1.3;

export function unfairness(results: Results): string[] {
  const floor = summarise(results.samples, "ours", metrics.floor)?.median;
  const remarks = [
    "The weights are random (the zoo's file cannot be shipped): same topology, shapes and bytes. Time and memory do not depend on their values; accuracy is `npm run model -- verify`'s business.",
    "The photos are drawn scenes with grain, made to be about as heavy as photographs (see the table for their bytes). A real photo of more bytes takes longer in every decoder.",
    "workerd under wrangler dev on this machine is not Cloudflare's edge: no network, other CPUs, R2 is a local file. Ratios carry over better than milliseconds.",
    `By the caller's clock each request pays for HTTP and for wrangler's proxy${floor === undefined ? "" : `, ${numberText(floor)} ms for one that does nothing`}. The bare run is timed inside the Worker and pays nothing, so the first ratio is harder on us than it need be.`,
    "The plain Worker could not start from onnxruntime-web's documentation alone, since workerd refuses to compile WebAssembly from bytes: it borrows our way of handing over the compiled module. It checks no hash, reads one R2 object and uses the default session options.",
    `workerd does not enforce 128 MB here. ${isolateText(results)}`,
    "The plain Worker resizes by nearest neighbour, which is less work than the resize that the model was trained with.",
    "TensorFlow.js runs fp32: its WASM backend has no int8 convolution. It runs in Node, so no HTTP is in its figures; BatchNorm is folded into its weights for it.",
    "onnxruntime-node and sharp are native code that no Worker can run: they show the limit.",
    "Decoders are compared in Node, not in workerd; their outputs are resized by our code, except sharp's, which shrinks while decoding, as ours does.",
  ];
  if (results.machine.loadBefore > busyLoad) {
    const load = numberText(results.machine.loadBefore);
    remarks.unshift(
      `The machine was busy: ${load} of its ${results.machine.cores} cores were taken before the run began.`,
    );
  }
  const small = (metric: string) => summarise(results.samples, "ours", metric)?.median;
  const [took, cpu] = [small(metrics.warm("500x375")), small(metrics.warmCpu("500x375"))];
  if (took !== undefined && cpu !== undefined && took > busyFactor * cpu) {
    remarks.unshift(
      `Something else ran meanwhile: a warm request that needs ${numberText(cpu)} ms of CPU took ${numberText(took)} ms. Measure again when the machine is quiet.`,
    );
  }
  if (results.mode === "quick") {
    remarks.unshift("A quick run: few rounds and few repeats. `npm run bench` measures in full.");
  }
  return remarks;
}

/** WASM and JS heap of the plain Workers, which nothing here stops. */
function isolateText({ samples }: Results): string {
  const held = (["plain-int8", "plain-fp32"] as const).flatMap((name) => {
    const [wasm, js] = [metrics.wasmHeap, metrics.jsHeap].map(
      (metric) => summarise(samples, name, metric)?.median,
    );
    if (wasm === undefined || js === undefined) return [];
    return [`${mebibytesText(wasm + js)} MiB (${subjects[name].title})`];
  });
  if (held.length === 0) return "Deployed, an isolate that holds more is killed.";
  return `After its 12 MP photos the plain Worker's isolate held ${held.join(" and ")}, garbage included, where a deployed one may have 122.`;
}
