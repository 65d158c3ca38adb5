/** classifyImages for Hono. */
import type { MiddlewareHandler } from "hono";
import { type ClassifyImagesOptions, imageJudge } from "./middleware.ts";

/**
 * Hono middleware that classifies the images of an app on their way out.
 * @example app.use(classifyImages({ classifier: (env) => env.CLASSIFIER }))
 * @throws RangeError at once, if maxBytes or timeoutMs is not a positive integer
 */
export function classifyImages<Bindings extends object>(
  options: ClassifyImagesOptions<Bindings>,
): MiddlewareHandler<{ Bindings: Bindings }> {
  const judge = imageJudge(options);
  return async (c, next) => {
    await next();
    const answer = await judge(c.req.raw, c.res, c.env);
    if (answer === c.res) return;
    // Without this, Hono would copy the headers of the previous response onto the new one.
    c.res = undefined;
    c.res = answer;
  };
}
