/** The tables of a soak: the terminal and docs/soak.md have the same ones. Pure. */
import type { Table } from "../../../bench/measure/table.ts";
import { mebibytesText, numberText } from "../../../cli/plot/format.ts";
import type { Percentiles } from "../measure/latency.ts";
import { answers, type Tally, total } from "../measure/ledger.ts";
import type { Phase, SoakResults } from "../results.ts";
import { kindNames, kindOf } from "../traffic/kinds.ts";
import { besideRatio } from "../verdict.ts";

const columnsFrom = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

export function countTable(title: string, { tallies }: Phase): Table {
  const row = (name: string, tally: Tally) => [
    name,
    numberText(tally.sent),
    listed(tally.answered),
    String(tally.brokenOff),
    String(tally.cut),
    String(tally.lost),
    String(tally.wrong),
    listed(tally.cache),
  ];
  const present = kindNames.flatMap((kind) => (tallies[kind] ? [[kind, tallies[kind]] as const] : []));
  return {
    title,
    head: ["kind", "sent", "answered", "broken off", "cut", "lost", "wrong", "X-Cache"],
    rows: [...present.map(([kind, tally]) => row(kind, tally)), row("all", total(tallies))],
    right: [1, 3, 4, 5, 6],
  };
}

export function latencyTable(title: string, { latency, all }: Phase): Table {
  const row = (name: string, { count, p50, p90, p99, max }: Percentiles) => [
    name,
    ...[count, p50, p90, p99, max].map(numberText),
  ];
  return {
    title,
    head: ["kind", "answers", "p50 ms", "p90 ms", "p99 ms", "max ms"],
    rows: [...Object.entries(latency).map(([kind, found]) => row(kind, found)), row("all", all)],
    right: columnsFrom(1, 5),
  };
}

export function memoryTable({ memoryByMinute }: Phase): Table {
  return {
    title: "Memory of the isolate by minute, MiB",
    head: ["minute", "least", "most", "ORT", "JS", "ArrayBuffers", "process"],
    rows: memoryByMinute.map(({ atSeconds, floorBytes, peakBytes, peak, processBytes }) => [
      String(1 + atSeconds / 60),
      ...[floorBytes, peakBytes, peak.ortBytes, peak.usedBytes, peak.bufferBytes].map(mebibytesText),
      mebibytesText(processBytes ?? Number.NaN),
    ]),
    right: columnsFrom(0, 7),
    note: "least, most: of ORT's heap, JS objects and ArrayBuffers together, garbage included, looked at every 0.1 s; then what the most was made of. process: most resident bytes of workerd.",
  };
}

export function overloadTable({ sustained, overload, recovery }: SoakResults): Table {
  const rows: string[][] = [];
  const rate = (phase: Phase, status: string) =>
    numberText((total(phase.tallies).answered[status] ?? 0) / phase.seconds);
  const spread = ({ p50, p99, max }: Percentiles) =>
    `p50 ${numberText(p50)}, p99 ${numberText(p99)}, max ${numberText(max)}`;
  if (overload) {
    rows.push(
      ["to be sent, requests a second", "as answered", numberText(overload.offeredPerSecond ?? Number.NaN)],
      [
        "sent",
        numberText(answers(total(sustained.tallies)) / sustained.seconds),
        numberText(total(overload.tallies).sent / (overload.sendingSeconds ?? overload.seconds)),
      ],
      ["200, a second", rate(sustained, "200"), rate(overload, "200")],
      ["503, a second", rate(sustained, "503"), rate(overload, "503")],
      ["a 200 takes, ms", spread(sustained.good), spread(overload.good)],
      ["a 503 takes, ms", "–", spread(overload.refused)],
    );
  }
  if (recovery) {
    rows.push(
      ["backlog answered within, s", "", numberText(recovery.drainSeconds)],
      [
        "first request after it",
        "",
        overload ? `${overload.silence.next.status} in ${numberText(overload.silence.next.ms)} ms` : "–",
      ],
      ["new JPEGs one by one, ms", spread(recovery.before), spread(recovery.after)],
    );
  }
  return {
    title: "Overload, at four times what was answered before",
    head: ["", "before", "overload and after"],
    rows,
    right: [1, 2],
  };
}

export function attackTable({ attacks }: SoakResults): Table {
  return {
    title: "Attacks, and small requests beside them",
    head: [
      ...["attack", "answered", "beside it", "p50 idle, ms", "p50 beside, ms", "ratio"],
      ...["process at first, MiB", "most"],
    ],
    rows: attacks.map((attack) => {
      const { name, idle, phase } = attack;
      const { beside, ...others } = phase.tallies;
      const resident = phase.memory.flatMap(({ processBytes }) => processBytes ?? []);
      return [
        name,
        listed(total(others).answered),
        listed(beside?.answered ?? {}),
        numberText(idle.p50),
        numberText(phase.latency.beside?.p50 ?? Number.NaN),
        numberText(besideRatio(attack)),
        mebibytesText(resident[0] ?? Number.NaN),
        mebibytesText(resident.length > 0 ? Math.max(...resident) : Number.NaN),
      ];
    }),
    right: columnsFrom(3, 5),
    note: "beside it: one client posts new JPEGs of 86 KB, one after the other. idle: the same just before. process: resident bytes of workerd.",
  };
}

export function silenceTable({ sustained, attacks, overload }: SoakResults): Table {
  const row = (name: string, { silence: { next, fullSize, inFlight, settledSeconds } }: Phase) => [
    name,
    `${next.status} in ${numberText(next.ms)} ms`,
    `${fullSize.status} in ${numberText(fullSize.ms)} ms`,
    ...[inFlight.permits, inFlight.permit_bytes, inFlight.waiting, settledSeconds].map(numberText),
  ];
  return {
    title: "The silence after each phase",
    head: ["after", "next request", "image of 16 MiB", "permits", "permit bytes", "waiting", "after s"],
    rows: [
      row("sustained traffic", sustained),
      ...attacks.map(({ name, phase }) => row(name, phase)),
      ...(overload ? [row("overload", overload)] : []),
    ],
    right: columnsFrom(1, 6),
    note: "next request: a small JPEG, right after the last client has gone; then an image of 16 MiB, which needs all room but the reserve. Then /readyz is asked until it tells that nothing is held, or for 20 s.",
  };
}

export function kindTable(): Table {
  return {
    title: "What is sent",
    head: ["kind", "turns of 100", "what", "right answer"],
    rows: kindNames.map((name) => {
      const { weight, what, status, also = [] } = kindOf(name);
      const right = status === undefined ? "none" : [status, ...also].join(", ");
      return [name, weight > 0 ? String(weight) : "–", what, right];
    }),
    right: [1],
  };
}

function listed(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).sort(([a], [b]) => a.localeCompare(b));
  return entries.map(([name, count]) => `${name}: ${numberText(count)}`).join(", ") || "–";
}
