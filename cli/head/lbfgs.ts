/**
 * Minimisation of a smooth function by L-BFGS: Nocedal and Wright, Numerical Optimization (2006), algorithms 7.4 and
 * 7.5, with a line search that meets the weak Wolfe conditions by bisection (Lewis and Overton, 2013). Pure.
 */

/** Returns the value at `x` and writes the gradient into `gradient`. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

/** Where the minimisation ended. */
export type Minimum = ReturnType<typeof minimise>;

interface Point {
  readonly x: Float64Array;
  readonly value: number;
  readonly gradient: Float64Array;
}

interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  /** 1 / (step . change) */
  readonly rho: number;
}

/** Number of steps and gradient changes to remember. */
const memory = 10;
/** Wolfe conditions: Nocedal and Wright's values for quasi-Newton methods. */
const decrease = 1e-4;
const curvature = 0.9;
const maxTrials = 60;

/**
 * Minimises `objective` from `start`. Check `converged`: the search also ends when no step improves the value.
 * @param tolerance largest component of the gradient at which it has converged
 */
export function minimise(objective: Objective, start: Float64Array, tolerance = 1e-6, maxIterations = 500) {
  let at = evaluate(objective, start.slice());
  const pairs: Pair[] = [];
  let iterations = 0;
  for (; iterations < maxIterations && largest(at.gradient) > tolerance; iterations++) {
    const direction = descentDirection(at.gradient, pairs);
    // Nothing is known about the scale of the first step, so limit its length to 1.
    const firstTrial = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(at.gradient, at.gradient))) : 1;
    const next = lineSearch(objective, at, direction, firstTrial);
    if (!next) break;
    const step = sum(next.x, -1, at.x);
    const change = sum(next.gradient, -1, at.gradient);
    const product = dot(step, change);
    if (product > 0) pairs.push({ step, change, rho: 1 / product });
    if (pairs.length > memory) pairs.shift();
    at = next;
  }
  /** Largest component of the gradient. */
  const gradientNorm = largest(at.gradient);
  return { x: at.x, gradientNorm, iterations, converged: gradientNorm <= tolerance };
}

/** The two-loop recursion: minus the approximate inverse Hessian times the gradient. */
function descentDirection(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  let q = gradient;
  const alphas: number[] = [];
  for (const { step, change, rho } of pairs.toReversed()) {
    const alpha = rho * dot(step, q);
    q = sum(q, -alpha, change);
    alphas.unshift(alpha);
  }
  const last = pairs.at(-1);
  const scale = last ? 1 / (last.rho * dot(last.change, last.change)) : 1;
  let direction: Float64Array = q.map((component) => -scale * component);
  for (const [i, { step, change, rho }] of pairs.entries()) {
    direction = sum(direction, -(alphas[i]! + rho * dot(change, direction)), step);
  }
  return direction;
}

/** Undefined when no step along `direction` lowers the value measurably in float64. */
function lineSearch(
  objective: Objective,
  from: Point,
  direction: Float64Array,
  firstTrial: number,
): Point | undefined {
  const slope = dot(from.gradient, direction);
  let [low, high] = [0, Number.POSITIVE_INFINITY];
  let length = firstTrial;
  for (let trial = 0; trial < maxTrials; trial++) {
    const point = evaluate(objective, sum(from.x, length, direction));
    if (!(point.value <= from.value + decrease * length * slope)) high = length;
    else if (dot(point.gradient, direction) < curvature * slope) low = length;
    else return point;
    length = high === Number.POSITIVE_INFINITY ? 2 * low : (low + high) / 2;
  }
  return undefined;
}

function evaluate(objective: Objective, x: Float64Array): Point {
  const gradient = new Float64Array(x.length);
  return { x, value: objective(x, gradient), gradient };
}

function dot(a: Float64Array, b: Float64Array): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
}

/** a + scale * b */
function sum(a: Float64Array, scale: number, b: Float64Array): Float64Array {
  return a.map((component, i) => component + scale * b[i]!);
}

function largest(a: Float64Array): number {
  return a.reduce((max, component) => Math.max(max, Math.abs(component)), 0);
}
