/** Which kind comes when: the same for the same seed. Pure. */
import { Random } from "../../../cli/pack/random.ts";
import { kindOf, type TrafficKindName, trafficKindNames } from "./kinds.ts";

/** One turn of a client. */
export interface Turn {
  readonly kind: TrafficKindName;
  /** Chooses among the pictures. */
  readonly choice: number;
  /** Makes a picture one that nobody has seen: no two turns of a seed have the same. */
  readonly salt: number;
}

const weights = trafficKindNames.map((name) => kindOf(name).weight);
const weightSum = weights.reduce((sum, weight) => sum + weight, 0);

/** Without an end. @param firstSalt that of the first turn; later ones count on */
export function* turns(seed: number, firstSalt = 0): Generator<Turn, never> {
  const random = new Random(seed);
  for (let salt = firstSalt; ; salt++) {
    let left = random.uniform() * weightSum;
    const kind = trafficKindNames.find((_, i) => {
      left -= weights[i]!;
      return left < 0;
    });
    yield { kind: kind ?? "hit", choice: random.below(1 << 16), salt };
  }
}

/** Requests of a turn, on average. */
export const requestsPerTurn =
  trafficKindNames.map(kindOf).reduce((sum, { weight, requests }) => sum + weight * requests, 0) / weightSum;
