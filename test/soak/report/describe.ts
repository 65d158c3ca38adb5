/** Machine, versions and extent of a soak, one line each. Pure. */
import { numberText } from "../../../cli/plot/format.ts";
import type { SoakResults } from "../results.ts";

export function describeSoak({
  machine,
  options,
  startedAt,
  sustained,
  attacks,
  overload,
  interrupted,
}: SoakResults): string[] {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const phases = [
    `${numberText(sustained.seconds / 60)} minutes of sustained traffic`,
    ...(attacks.length > 0
      ? [
          `${attacks.length} attacks of ${numberText(Math.max(...attacks.map(({ phase }) => phase.seconds)))} s at most`,
        ]
      : []),
    ...(overload ? [`${numberText(overload.seconds)} s of overload`] : []),
  ].join(", ");
  return [
    `Run: ${phases}, begun ${startedAt}, ${options.concurrency} clients, seed ${options.seed}, commit ${machine.commit}${interrupted ? "; interrupted" : ""}`,
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${numberText(machine.memoryBytes / 2 ** 30)} GiB, ${machine.system}; load before the run ${numberText(machine.loadBefore)}`,
    `Versions: ${versions.join(", ")}`,
  ];
}
