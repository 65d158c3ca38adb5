/** Measures how to read the logits of a pack or of a head: temperature, confidence, and images of none of its classes. Pure. */
import type { Scores } from "../../src/model/manifest.ts";
import { entropy, softmax } from "../../src/model/scores.ts";
import { fitTemperature } from "../head/metrics.ts";
import {
  areaUnderCurve,
  calibrationError,
  chanceCalibrationError,
  confidenceThreshold,
  type Outcome,
  quantile,
  shareAbove,
} from "./confidence.ts";

/** Raw logits of labelled photographs, with the class of each. */
export interface Labelled {
  readonly logits: readonly Float32Array[];
  readonly classes: readonly number[];
}

/** Labelled photographs that a pack needs before it tells how confident it is. */
export const minLabelled = 100;
/** Share of correctly answered photographs that may be called unknown. */
const rejectedShare = 0.1;

/** The scores of a pack without labelled photographs. */
export const unmeasuredScores: Scores = { temperature: 1, confident: null, unknown: null, evaluation: null };

/** How far probabilities can be trusted. */
export interface Confidence extends Pick<Scores, "temperature" | "confident"> {
  /** Expected calibration error without the temperature. */
  readonly errorBefore: number;
  /** Expected calibration error at the temperature. */
  readonly error: number;
  /** The part of `error` to expect from chance, even of exact probabilities. */
  readonly chanceError: number;
}

/**
 * Chooses how to read the logits of a pack.
 * @param precision share of confident answers that should be right
 * @param foreign logits of photographs of other things, if there are any
 */
export function measureScores(
  labelled: Labelled,
  precision: number,
  foreign: readonly Float32Array[] = [],
): Scores {
  if (labelled.classes.length < minLabelled) return unmeasuredScores;
  const { temperature, confident, ...errors } = measureConfidence(labelled, precision, foreign);
  return {
    temperature,
    confident,
    unknown: unknownOf(labelled, outcomesOf(labelled, temperature), foreign, temperature),
    evaluation: {
      photographs: labelled.classes.length,
      foreign_photographs: foreign.length,
      calibration_error_before: errors.errorBefore,
      calibration_error: errors.error,
      calibration_error_by_chance: errors.chanceError,
    },
  };
}

/**
 * Fits the temperature and chooses the threshold on all photographs. Everything that is reported is cross-fitted: each half
 * of the photographs is measured with what was chosen on the other half.
 */
export function measureConfidence(
  labelled: Labelled,
  precision: number,
  foreign: readonly Float32Array[] = [],
): Confidence {
  const halves = [half(labelled, 0), half(labelled, 1)] as const;
  const crossFitted = [
    { chosenOn: halves[0], measuredOn: halves[1] },
    { chosenOn: halves[1], measuredOn: halves[0] },
  ];
  const temperature = temperatureOf(labelled);
  const outcomes = outcomesOf(labelled, temperature);
  const crossOutcomes = crossFitted.map(({ chosenOn, measuredOn }) => {
    const fitted = temperatureOf(chosenOn);
    return { chosen: outcomesOf(chosenOn, fitted), measured: outcomesOf(measuredOn, fitted) };
  });
  const measured = crossOutcomes.flatMap((half) => half.measured);
  return {
    temperature,
    confident: confidentOf(outcomes, crossOutcomes, precision, foreign, temperature),
    errorBefore: rounded(calibrationError(outcomesOf(labelled, 1))),
    error: rounded(calibrationError(measured)),
    chanceError: rounded(chanceCalibrationError(measured)),
  };
}

function confidentOf(
  outcomes: readonly Outcome[],
  crossOutcomes: readonly { chosen: readonly Outcome[]; measured: readonly Outcome[] }[],
  target: number,
  foreign: readonly Float32Array[],
  temperature: number,
): Scores["confident"] {
  const chosen = confidenceThreshold(outcomes, target);
  if (!chosen) return null;
  const confident = crossOutcomes.flatMap(({ chosen: others, measured }) => {
    const threshold = confidenceThreshold(others, target)?.threshold ?? chosen.threshold;
    return measured.filter(({ confidence }) => confidence >= threshold);
  });
  const foreignConfidences = foreign.map((logits) => Math.max(...softmax(logits, temperature)));
  const reached = foreignConfidences.filter((confidence) => confidence >= chosen.threshold).length;
  return {
    threshold: rounded(chosen.threshold),
    target,
    precision: rounded(confident.filter(({ isRight }) => isRight).length / confident.length),
    coverage: rounded(confident.length / outcomes.length),
    foreign: foreign.length > 0 ? rounded(reached / foreign.length) : null,
  };
}

function unknownOf(
  { logits }: Labelled,
  outcomes: readonly Outcome[],
  foreign: readonly Float32Array[],
  temperature: number,
): Scores["unknown"] {
  const known = logits.map((row) => entropy(softmax(row, temperature)));
  const right = known.filter((_, i) => outcomes[i]!.isRight);
  if (right.length < minLabelled / 2) return null;
  const threshold = rounded(quantile(right, 1 - rejectedShare));
  const others = foreign.map((row) => entropy(softmax(row, temperature)));
  const isMeasured = others.length > 0;
  return {
    method: "entropy",
    threshold,
    rejected: rounded(shareAbove(right, threshold)),
    foreign: isMeasured ? rounded(shareAbove(others, threshold)) : null,
    auroc: isMeasured
      ? { right: rounded(areaUnderCurve(others, right)), all: rounded(areaUnderCurve(others, known)) }
      : null,
  };
}

/** Every second photograph: names are sorted, so each half has its share of every class. */
function half({ logits, classes }: Labelled, parity: number): Labelled {
  const keep = <T>(_: T, i: number) => i % 2 === parity;
  return { logits: logits.filter(keep), classes: classes.filter(keep) };
}

function temperatureOf({ logits, classes }: Labelled): number {
  const temperature = fitTemperature({ logits: logits.map((row) => Float64Array.from(row)), classes });
  return rounded(temperature);
}

function outcomesOf({ logits, classes }: Labelled, temperature: number): Outcome[] {
  return logits.map((row, i) => {
    const probabilities = softmax(row, temperature);
    const confidence = Math.max(...probabilities);
    return { confidence, isRight: probabilities.indexOf(confidence) === classes[i] };
  });
}

/** Four significant digits: the last ones differ between machines, and the version hashes the scores. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
