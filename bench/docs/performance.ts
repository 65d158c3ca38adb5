/** Writes docs/performance.md from the results. */

import { mebibytesText, numberText } from "../../cli/plot/format.ts";
import { listMarkdown, tableMarkdown } from "../measure/markdown.ts";
import { describeRun } from "../report/describe.ts";
import * as tables from "../report/tables.ts";
import { unfairness } from "../report/unfair.ts";
import { figures } from "../results/figures.ts";
import type { Results } from "../results/results.ts";
import { medians, type Series } from "../series.ts";
import { fillTemplate } from "./template.ts";

/** @returns the document as Markdown */
export function performanceDocument(results: Results): string {
  const failures = results.failures.map(({ what, reason }) => `${what}: ${reason}`);
  const [head, stages] = [tables.headTable(results), tables.stageTable(results)];
  return fillTemplate("performance", {
    run: listMarkdown(describeRun(results)),
    figures: tableMarkdown(tables.figureTable(results)),
    missed: missedText(results),
    models: tableMarkdown(tables.modelTable(results)),
    pictures: tableMarkdown(tables.pictureTable(results)),
    headTitle: head.title,
    head: tableMarkdown(head),
    stageTitle: stages.title,
    stages: tableMarkdown(stages),
    decoders: tableMarkdown(tables.decoderTable(results)),
    burst: results.burst ? `## Eight large photos at once\n\n${burstText(results.burst)}` : "",
    growth: growthText(results),
    unfair: listMarkdown(unfairness(results)),
    failures: failures.length > 0 ? `## What did not run\n\n${listMarkdown(failures)}` : "",
  });
}

function missedText(results: Results): string {
  const missed = figures(results).filter(({ value = 0, bar, ifMissed }) => ifMissed && value > bar);
  if (missed.length === 0) return "";
  return `Of the misses:\n\n${listMarkdown(missed.map(({ what, ifMissed }) => `${what}: ${ifMissed}`))}`;
}

function burstText(burst: NonNullable<Results["burst"]>): string {
  const mib = (bytes: number) => `${mebibytesText(bytes)} MiB`;
  const bodies = burst.photos.reduce((sum, { bytes }) => sum + bytes, 0);
  const answered = burst.statuses.filter((status) => status === 200).length;
  return `${burst.photos.map(({ name }) => name).join("; ")}: ${numberText(bodies / 1e6)} MB of bodies sent at once. The Worker answered ${answered} of ${burst.statuses.length} with 200, the last after ${numberText(burst.seconds)} s. ORT's heap ${mib(burst.ortHeapBytes)}, peak of the JS heap with its backing stores ${mib(burst.peakJsBytes)}. The whole workerd process, with its code and uncollected garbage, had at most ${mib(burst.peakProcessBytes)}.`;
}

function growthText({ growth }: Results): string {
  const { "input-size": input, "image-size": image, concurrency } = growth;
  const parts: string[] = [];
  if (input) {
    const times = input.filter(({ unit }) => unit === "ms");
    parts.push(
      "![Curves: time and memory by input size](plots/input-size.svg)",
      listMarkdown(times.map(pixelText)),
    );
  }
  if (image)
    parts.push("![Curves: time by image size](plots/image-size.svg)", listMarkdown(image.map(slopeText)));
  if (concurrency) {
    parts.push(
      "![Curves: time, throughput and memory by requests at once](plots/concurrency.svg)",
      "One isolate has one thread: requests at once wait for each other. More in [scaling](scaling.md).",
    );
  }
  return parts.join("\n\n");
}

function slopeText(series: Series): string {
  const [first, last] = [medians(series)[0], medians(series).at(-1)];
  if (!first || !last || first.x === last.x) return series.name;
  const slope = (last.y - first.y) / (last.x - first.x);
  return `${series.name}: ${numberText(slope)} ms for each megapixel, from ${numberText(first.y)} ms at ${numberText(first.x)} to ${numberText(last.y)} ms at ${numberText(last.x)}`;
}

/** Work grows with the input's area. */
function pixelText(series: Series): string {
  const [first, last] = [medians(series)[0], medians(series).at(-1)];
  if (!first || !last || first.x === last.x) return series.name;
  const [area, time] = [(last.x / first.x) ** 2, last.y / first.y];
  return `${series.name}: ${numberText(first.y)} ms at ${first.x}, ${numberText(last.y)} ms at ${last.x}; ${numberText(area)} times the pixels for ${numberText(time)} times the time`;
}
