/**
 * Minimisation of a smooth function by L-BFGS: Nocedal and Wright, Numerical Optimization (2006), algorithms 7.4 and
 * 7.5, with a line search that meets the weak Wolfe conditions by bisection (Lewis and Overton, 2013). Pure.
 */

/** Returns the value at `x` and writes the gradient into `gradient`. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

/** Where the minimisation ended. */
export interface Minimum {
  readonly x: Float64Array;
  readonly value: number;
  /** Largest component of the gradient. */
  readonly gradientNorm: number;
  readonly iterations: number;
  readonly converged: boolean;
}

interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  /** 1 / (step . change) */
  readonly rho: number;
}

/** Converged once no component of the gradient is larger than this. */
const tolerance = 1e-6;
/** Number of steps and gradient changes to remember. */
const memory = 10;
/** Wolfe conditions: Nocedal and Wright's values for quasi-Newton methods. */
const decrease = 1e-4;
const curvature = 0.9;
const maxTrials = 60;

/** Minimises `objective` from `start`. Check `converged`: the search also ends when no step improves the value. */
export function minimise(objective: Objective, start: Float64Array, maxIterations = 500): Minimum {
  let x = start.slice();
  let gradient = new Float64Array(x.length);
  let value = objective(x, gradient);
  const pairs: Pair[] = [];
  let iterations = 0;
  for (; iterations < maxIterations && largest(gradient) > tolerance; iterations++) {
    const direction = descentDirection(gradient, pairs);
    // Nothing is known about the scale of the first step, so limit its length to 1.
    const firstTrial = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(gradient, gradient))) : 1;
    const next = lineSearch(objective, { x, value, gradient }, direction, firstTrial);
    if (!next) break;
    const step = difference(next.x, x);
    const change = difference(next.gradient, gradient);
    const product = dot(step, change);
    if (product > 0) pairs.push({ step, change, rho: 1 / product });
    if (pairs.length > memory) pairs.shift();
    ({ x, value, gradient } = next);
  }
  const gradientNorm = largest(gradient);
  return { x, value, gradientNorm, iterations, converged: gradientNorm <= tolerance };
}

/** The two-loop recursion: minus the approximate inverse Hessian times the gradient. */
function descentDirection(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const q = gradient.slice();
  const alphas: number[] = [];
  for (const { step, change, rho } of [...pairs].reverse()) {
    const alpha = rho * dot(step, q);
    addScaled(q, change, -alpha);
    alphas.unshift(alpha);
  }
  const last = pairs.at(-1);
  const scale = last ? 1 / (last.rho * dot(last.change, last.change)) : 1;
  for (let i = 0; i < q.length; i++) q[i]! *= scale;
  for (const [i, { step, change, rho }] of pairs.entries()) {
    addScaled(q, step, alphas[i]! - rho * dot(change, q));
  }
  return q.map((component) => -component);
}

interface Point {
  readonly x: Float64Array<ArrayBuffer>;
  readonly value: number;
  readonly gradient: Float64Array<ArrayBuffer>;
}

/** Undefined when no step along `direction` lowers the value measurably in float64. */
function lineSearch(
  objective: Objective,
  from: Point,
  direction: Float64Array,
  firstTrial: number,
): Point | undefined {
  const slope = dot(from.gradient, direction);
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  let length = firstTrial;
  for (let trial = 0; trial < maxTrials; trial++) {
    const x = from.x.slice();
    addScaled(x, direction, length);
    const gradient = new Float64Array(x.length);
    const value = objective(x, gradient);
    if (!(value <= from.value + decrease * length * slope)) high = length;
    else if (dot(gradient, direction) < curvature * slope) low = length;
    else return { x, value, gradient };
    length = high === Number.POSITIVE_INFINITY ? 2 * low : (low + high) / 2;
  }
  return undefined;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function largest(a: Float64Array): number {
  return a.reduce((max, component) => Math.max(max, Math.abs(component)), 0);
}

function difference(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((component, i) => component - b[i]!);
}

/** a += scale * b */
function addScaled(a: Float64Array, b: Float64Array, scale: number): void {
  for (let i = 0; i < a.length; i++) a[i]! += scale * b[i]!;
}
