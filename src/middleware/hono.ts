/** classifyImages for Hono: `app.use(classifyImages({ classifier: (env) => env.CLASSIFIER }))`. */
import type { MiddlewareHandler } from "hono";
import { type ClassifyImagesOptions, imageJudge } from "./middleware.ts";

/** @throws RangeError at once, when maxBytes or timeoutMs do not hold */
export function classifyImages<Bindings extends object>(
  options: ClassifyImagesOptions<Bindings>,
): MiddlewareHandler<{ Bindings: Bindings }> {
  const judge = imageJudge(options);
  return async (c, next) => {
    await next();
    const answer = await judge(c.req.raw, c.res, c.env);
    if (answer === c.res) return;
    // Hono would else lay the headers of the answer before over those of this one.
    c.res = undefined;
    c.res = answer;
  };
}
