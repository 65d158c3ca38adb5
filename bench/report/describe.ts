/** Describes a run. */

import { numberText } from "../../cli/plot/format.ts";
import type { Results } from "../results/results.ts";

/** Returns the machine, versions, pack and extent of a run, one line each. */
export function describeRun({ machine, mode, startedAt, seconds, pack, samples }: Results): string[] {
  const rounds = 1 + Math.max(-1, ...samples.map(({ round }) => round));
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Run: ${mode}, ${rounds} rounds, ${numberText(seconds / 60)} minutes, begun ${startedAt}, commit ${machine.commit}`,
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${numberText(machine.memoryBytes / 2 ** 30)} GiB, ${machine.system}; load before the run ${numberText(machine.loadBefore)}`,
    `Versions: ${versions.join(", ")}`,
    `Pack: ${pack.name}, int8, ${pack.shards} shards, ${numberText(pack.bytes / 1e6)} MB`,
  ];
}
