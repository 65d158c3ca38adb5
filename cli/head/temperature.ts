/** Temperature scaling: Guo et al., On Calibration of Modern Neural Networks (2017), section 4.2. Pure. */
import { logLoss, type Scored } from "./metrics.ts";

/** Outside this range a head would be always certain or never. */
const lowest = 0.01;
const highest = 100;
const golden = (Math.sqrt(5) - 1) / 2;

/** Finds the temperature with the lowest log-loss on held-out logits, by golden-section search over its logarithm. */
export function fitTemperature(scored: Scored): number {
  const loss = (logTemperature: number) => logLoss(scored, Math.exp(logTemperature));
  let low = Math.log(lowest);
  let high = Math.log(highest);
  let left = high - golden * (high - low);
  let right = low + golden * (high - low);
  let lossLeft = loss(left);
  let lossRight = loss(right);
  while (high - low > 1e-6) {
    if (lossLeft < lossRight) {
      [high, right, lossRight] = [right, left, lossLeft];
      left = high - golden * (high - low);
      lossLeft = loss(left);
    } else {
      [low, left, lossLeft] = [left, right, lossRight];
      right = low + golden * (high - low);
      lossRight = loss(right);
    }
  }
  return Math.exp((low + high) / 2);
}
