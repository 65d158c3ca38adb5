/** What a request carries through the middleware and the handlers. */
import type { Context } from "hono";
import type { RequestContext } from "../classifier/request-context.ts";

export interface AppEnv {
  Variables: {
    requestId: string;
    scoring: RequestContext;
    /** SHA-256 of the caller's API key, in hex. Never logged. */
    keyHash?: string;
  };
}

/** The context of one request. */
export type AppContext = Context<AppEnv>;
