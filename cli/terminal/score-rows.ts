/** Prints how to read the scores of a pack or of a head. */
import type { Scores } from "../../src/model/manifest.ts";

/** Returns table rows: temperature, confident answers, unknown images. */
export function scoreRows(scores: Scores | undefined): string[][] {
  if (!scores?.evaluation)
    return [["scores", "not calibrated: packed without labelled photographs (--evaluate)"]];
  const { temperature, evaluation, confident, unknown } = scores;
  const { photographs, calibration_error_before: before, calibration_error: after } = evaluation;
  const chance = evaluation.calibration_error_by_chance;
  const byChance = chance === undefined ? "" : `; ${chance} is chance with as many photographs`;
  return [
    ["temperature", `${temperature}, from ${photographs} labelled photographs`],
    [
      "calibration error",
      `${after} (${before} without temperature): mean gap of probability and accuracy${byChance}`,
    ],
    ["confident answers", confidentText(confident)],
    [
      "unknown images",
      unknown
        ? `above an entropy of ${unknown.threshold} nats (0: certain of one class): ${percent(unknown.rejected)} of the right answers${foreignText(unknown.foreign)}`
        : "not detected",
    ],
    ...(unknown?.auroc
      ? [
          [
            "",
            `AUROC ${unknown.auroc.right} against right answers, ${unknown.auroc.all} against all (0.5: chance; 1: perfect)`,
          ],
        ]
      : []),
  ];
}

/** Describes the threshold of confident answers. */
export function confidentText(confident: Scores["confident"]): string {
  if (!confident) return "not known: no threshold reaches the target precision";
  const { threshold, precision, coverage, foreign } = confident;
  return `from probability ${threshold}: ${percent(precision)} right, on ${percent(coverage)} of the photographs${foreignText(foreign)}`;
}

function foreignText(share: number | null): string {
  return share === null ? "" : `, and ${percent(share)} of foreign ones`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
