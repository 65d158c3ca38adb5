/**
 * Minimisation of a smooth function by L-BFGS: Nocedal and Wright, Numerical Optimization (2006), algorithms 7.4 and
 * 7.5, with a line search that meets the weak Wolfe conditions by bisection (Lewis and Overton, 2013). Pure.
 */

/** Value and gradient at `x`; the gradient is written into `gradient`. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

export interface LbfgsOptions {
  /** Largest component of the gradient at which it has converged. */
  readonly tolerance: number;
  readonly maxIterations: number;
  /** Pairs of steps and gradient changes that are remembered. */
  readonly memory: number;
}

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

const defaults: LbfgsOptions = { tolerance: 1e-6, maxIterations: 500, memory: 10 };
/** Sufficient decrease and curvature, as Nocedal and Wright give them for quasi-Newton methods. */
const decrease = 1e-4;
const curvature = 0.9;
const maxTrials = 60;

export function minimise(
  objective: Objective,
  start: Float64Array,
  options: Partial<LbfgsOptions> = {},
): Minimum {
  const { tolerance, maxIterations, memory } = { ...defaults, ...options };
  let x = start.slice();
  let gradient = new Float64Array(x.length);
  let value = objective(x, gradient);
  const pairs: Pair[] = [];
  let iterations = 0;
  for (; iterations < maxIterations && largest(gradient) > tolerance; iterations++) {
    const direction = descentDirection(gradient, pairs);
    // The first step has no scale yet: one of length 1 at most.
    const firstTrial = pairs.length === 0 ? Math.min(1, 1 / norm(gradient)) : 1;
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

/** Undefined where no step along `direction` lowers the function in a way that can be told in float64. */
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

function norm(a: Float64Array): number {
  return Math.sqrt(dot(a, a));
}

function largest(a: Float64Array): number {
  let max = 0;
  for (const component of a) max = Math.max(max, Math.abs(component));
  return max;
}

function difference(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((component, i) => component - b[i]!);
}

/** a += scale * b */
function addScaled(a: Float64Array, b: Float64Array, scale: number): void {
  for (let i = 0; i < a.length; i++) a[i]! += scale * b[i]!;
}
