/** docs/soak.md from the results. Pure. */
import { listMarkdown, tableMarkdown } from "../../../bench/measure/markdown.ts";
import { mebibytesText } from "../../../cli/plot/format.ts";
import { attackOf } from "../attacks/attacks.ts";
import type { SoakResults } from "../results.ts";
import {
  delays,
  faults,
  growthBytes,
  keptBytes,
  maxBesideRatio,
  maxFullSizeMs,
  maxNextMs,
  remarks,
  residentGrowthBytes,
} from "../verdict.ts";
import { describeSoak } from "./describe.ts";
import {
  attackTable,
  countTable,
  kindTable,
  latencyTable,
  memoryTable,
  overloadTable,
  silenceTable,
} from "./tables.ts";

export function soakDocument(results: SoakResults): string {
  const { sustained, attacks, overload } = results;
  const found = [...faults(results), ...delays(results)];
  const paragraphs = [
    "# Soak",
    "Written by `npm run soak -- --write-docs` from one run of `npm run soak`: the built Worker in workerd, with the embedded pack in a local R2 bucket, under mixed traffic for minutes; then under attack, and then with four times as many requests as it answers.",
    listMarkdown(describeSoak(results)),
    found.length > 0
      ? `**Faults**\n\n${listMarkdown(found)}`
      : "All counts add up, in the clients' books and in the Worker's log; no answer was wrong; memory stayed within its bounds.",
    ...remarks(results).map((remark) => `**Note.** ${remark}`),
    "## Memory",
    "![Curves: memory of the isolate by time](plots/soak-memory.svg)",
    tableMarkdown(memoryTable(sustained)),
    "## Latency",
    "![Curves: latency and throughput by time](plots/soak-latency.svg)",
    tableMarkdown(latencyTable("", sustained)),
    "Each client waits for its answer before it sends again (a closed loop), so these are the latencies at just so many requests at once, and not those of a given rate of arrivals: a slow answer delays the next request instead of being waited for by it.",
    "## Counts",
    tableMarkdown(countTable("", sustained)),
    ...(attacks.length > 0
      ? [
          "## Attacks",
          listMarkdown(attacks.map(({ name }) => `**${name}**: ${attackOf(name).what}`)),
          tableMarkdown(attackTable(results)),
          "![Curves: small requests beside each attack, and the memory of workerd](plots/soak-attacks.svg)",
        ]
      : []),
    "## Silence",
    tableMarkdown(silenceTable(results)),
    ...(overload
      ? [
          "## Overload",
          tableMarkdown(overloadTable(results)),
          "Requests leave at a fixed rate (an open loop) while at most 256 are under way. Their time counts from when they were due, so a client that waits hides nothing (no coordinated omission). Requests with a good answer wait in a queue of 64; a 503 is sent at once. The clients, the proxy of `wrangler dev` and the Worker share the cores of the machine, so sending and refusing takes much of the time.",
          tableMarkdown(countTable("", overload)),
        ]
      : []),
    "## What is sent",
    tableMarkdown(kindTable()),
    "Which comes when follows from `--seed`. New pictures are the drawn photographs of the bench with other bytes after their end, so that their answer is known: every score must be the one that was given when nothing else was under way. sent = answered + broken off + cut + lost; the Worker's log must have each answer once. Cut: answered before its body was read, rightly so by the Worker's log, but the connection closed while the body was still being sent; wrangler's proxy then passes no answer on.",
    "## What fails it",
    listMarkdown([
      "counts that do not add up, an answer lost, a wrong one, a 5xx other than 503, a 503 without `Retry-After`",
      `memory that is kept, as the least of all looks of a minute tells: over ${mebibytesText(keptBytes)} MiB, or ${mebibytesText(growthBytes)} MiB more in the last minute than in the first. What is not collected yet comes on top and fails nothing, but is told where it exceeds 128 MB`,
      "an overload that refuses nothing or answers nothing",
      "after any phase: a permit, a byte or a waiting request that `/readyz` still counts; a next request or an image of 16 MiB that is not answered 200",
      `in an attack: no small request answered; beside slow clients or slow readers, any small request that is not answered 200; resident memory of workerd that grows by more than ${mebibytesText(residentGrowthBytes)} MiB`,
      `times: over ${maxNextMs} ms for the next request after a phase, over ${maxFullSizeMs} for an image of 16 MiB; small requests beside slow clients that take more than ${maxBesideRatio} times the idle median`,
    ]),
    "<!-- command: takes many minutes -->\n\n```sh\nnpm run soak                    # half an hour: ten minutes of traffic, attacks, five minutes of overload\nnpm run soak -- --quick         # a tenth of it\nnpm run soak -- --write-docs    # this page, from the last run\n```",
  ];
  return `${paragraphs.join("\n\n")}\n`;
}
