/** How a group of routes says what it takes and gives. http/openapi/document.ts makes the OpenAPI document of it. */
import type { z } from "zod";
import type { ReasonCode } from "../../errors.ts";

export interface RouteDoc {
  readonly method: "get" | "post";
  /** As OpenAPI writes it: /models/{name}. */
  readonly path: string;
  /** Unique; the name that generated clients give the call. */
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  /** The operation needs no API key. */
  readonly open?: boolean;
  /** Not counted by the rate limit. */
  readonly uncounted?: boolean;
  /** The schemas that check the parameters. */
  readonly query?: z.ZodObject;
  readonly params?: z.ZodObject;
  /** By media type; "binary" is raw bytes. */
  readonly body?: Readonly<Record<string, z.ZodType | "binary">>;
  readonly answer: {
    readonly description: string;
    readonly mediaType?: string;
    readonly schema?: z.ZodType;
    /** Name to what it tells. */
    readonly headers?: Readonly<Record<string, string>>;
  };
  /** Whether If-None-Match is answered 304. */
  readonly conditional?: boolean;
  /** Beyond those that every route has. */
  readonly errors?: readonly ReasonCode[];
}
