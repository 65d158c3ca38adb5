/** Bounded waiting. Imports nothing. */

export const timedOut = Symbol("timedOut");

/** What `promise` settles to, or `timedOut` when that takes longer than `timeoutMs`. The promise goes on. */
export async function settleWithin<T>(promise: Promise<T>, timeoutMs: number): Promise<T | typeof timedOut> {
  let wake = (_: typeof timedOut) => {};
  const elapsed = new Promise<typeof timedOut>((resolve) => {
    wake = resolve;
  });
  const timer = setTimeout(() => wake(timedOut), timeoutMs);
  try {
    return await Promise.race([promise, elapsed]);
  } finally {
    clearTimeout(timer);
  }
}
