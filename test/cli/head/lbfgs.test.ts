import { describe, expect, test } from "vitest";
import { minimise, type Objective } from "../../../cli/head/lbfgs.ts";

/** Rosenbrock, 1960: a curved valley; the minimum is 0 at (1, 1). */
const rosenbrock: Objective = (x, gradient) => {
  const [a, b] = [x[0]!, x[1]!];
  gradient[0] = -2 * (1 - a) - 400 * a * (b - a * a);
  gradient[1] = 200 * (b - a * a);
  return (1 - a) ** 2 + 100 * (b - a * a) ** 2;
};

/** sum_i (i + 1) / 2 (x_i - i)^2: the minimum is at (0, 1, 2, ...). */
const bowl: Objective = (x, gradient) => {
  let value = 0;
  for (let i = 0; i < x.length; i++) {
    gradient[i] = (i + 1) * (x[i]! - i);
    value += ((i + 1) / 2) * (x[i]! - i) ** 2;
  }
  return value;
};

describe("L-BFGS", () => {
  test("finds the minimum of Rosenbrock's function", () => {
    const { x, converged, gradientNorm } = minimise(rosenbrock, Float64Array.of(-1.2, 1));
    expect(converged).toBe(true);
    expect(gradientNorm).toBeLessThanOrEqual(1e-6);
    expect(x[0]).toBeCloseTo(1, 5);
    expect(x[1]).toBeCloseTo(1, 5);
  });

  test("finds the minimum of a badly scaled quadratic in fewer steps than it has dimensions", () => {
    const { x, converged, iterations } = minimise(bowl, new Float64Array(200));
    expect(converged).toBe(true);
    expect(Math.max(...x.map((value, i) => Math.abs(value - i)))).toBeLessThan(1e-5);
    expect(iterations).toBeLessThan(200);
  });

  test("does not move when it starts at the minimum", () => {
    expect(minimise(rosenbrock, Float64Array.of(1, 1))).toMatchObject({ iterations: 0, converged: true });
  });

  test("reports that it ran out of iterations", () => {
    const { converged, iterations } = minimise(rosenbrock, Float64Array.of(-1.2, 1), undefined, 3);
    expect({ converged, iterations }).toEqual({ converged: false, iterations: 3 });
  });
});
