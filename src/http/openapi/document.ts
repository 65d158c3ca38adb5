/** Builds the OpenAPI 3.1 document from the zod schemas that validate. */
import { z } from "zod";
import type { ReasonCode } from "../../errors.ts";
import { statusOfCode } from "../problem.ts";
import type { Example } from "./examples.ts";

/** Documentation of a route: the schemas that validate its input, and its responses. */
export interface RouteDoc {
  readonly method: "get" | "post";
  /** In OpenAPI's notation: /models/{name}. */
  readonly path: string;
  /** Unique. Generated clients use it as the name of the call. */
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  /** The operation needs no API key. */
  readonly open?: boolean;
  /** The rate limit does not count the operation. */
  readonly uncounted?: boolean;
  readonly query?: z.ZodObject;
  readonly params?: z.ZodObject;
  /** By media type. "binary" stands for raw bytes. */
  readonly body?: Readonly<Record<string, z.ZodType | "binary">>;
  readonly answer: {
    readonly description: string;
    readonly mediaType?: string;
    readonly schema?: z.ZodType;
    /** Description of each header, by its name. */
    readonly headers?: Readonly<Record<string, string>>;
  };
  /** Whether a request with If-None-Match may be answered 304. */
  readonly conditional?: boolean;
  /** Codes beyond those of every route. */
  readonly errors?: readonly ReasonCode[];
}

/** A JSON schema (2020-12). */
export type JsonSchema = Readonly<Record<string, unknown>>;
/** A parameter of an operation. */
export type Parameter = ReturnType<typeof parametersOf>[number];
/** A response of an operation. */
export interface ResponseObject {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { readonly description: string; readonly schema: JsonSchema }>>;
  readonly content?: Content;
}
interface Content {
  readonly [mediaType: string]: { readonly schema?: JsonSchema; readonly example?: unknown };
}
/** An operation of the API. */
export type Operation = ReturnType<typeof operationOf>;
/** The parts of an OpenAPI 3.1 document that the Worker uses. */
export type OpenApiDocument = ReturnType<typeof openApiDocument>;

/** Errors of authentication, which also reads the configuration. */
const authErrors: readonly ReasonCode[] = ["unauthorized", "misconfigured"];
const dialect = "$schema";

/**
 * Builds the document.
 * @param schemas by name. They become components, and routes and other schemas refer to them. One must be named Problem.
 * @param examples by operationId
 */
export function openApiDocument(
  routes: readonly RouteDoc[],
  schemas: Readonly<Record<string, z.ZodType>>,
  examples: Readonly<Record<string, Example>> = {},
) {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
  const uri = (id: string) => `#/components/schemas/${id}`;
  const named = z.toJSONSchema(registry, { uri, io: "output" }).schemas;
  const refer = (schema: z.ZodType): JsonSchema => {
    const entry = registry.get(schema);
    return entry ? { $ref: uri(entry.id) } : plain(z.toJSONSchema(schema, { io: "output" }));
  };
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    const path = paths[route.path] ?? {};
    path[route.method] = operationOf(route, refer, examples[route.operationId]);
    paths[route.path] = path;
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "edge-resnet",
      version: "0.1.0",
      description: "Image classification in a Cloudflare Worker. Errors are problem details (RFC 9457).",
    },
    servers: [{ url: "/" }],
    // With or without a key, because the owner of the Worker decides.
    security: [{ api_key: [] }, {}],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(named).map(([name, schema]) => [name, plain(schema)])),
      securitySchemes: {
        api_key: { type: "http", scheme: "bearer", description: "Required if the deployment has API keys." },
      },
    },
  };
}

function operationOf(
  route: RouteDoc,
  refer: (schema: z.ZodType) => JsonSchema,
  example: Example | undefined,
) {
  const { operationId, summary, description, answer, open = false, uncounted = false } = route;
  const parameters = [...parametersOf(route.params, "path"), ...parametersOf(route.query, "query")];
  const mediaType = answer.mediaType ?? "application/json";
  const found: ResponseObject = {
    description: answer.description,
    ...(answer.headers && { headers: headersOf(answer.headers) }),
    content: {
      [mediaType]: {
        ...(answer.schema && { schema: refer(answer.schema) }),
        ...(example?.answer !== undefined && { example: example.answer }),
      },
    },
  };
  const errors: ReasonCode[] = [
    ...(route.errors ?? []),
    ...(open ? [] : authErrors),
    ...(uncounted ? [] : (["rate_limited"] as const)),
    "internal",
  ];
  const responses: Readonly<Record<string, ResponseObject>> = {
    200: found,
    ...(route.conditional && { 304: { description: "The answer that If-None-Match names is current." } }),
    ...problemsOf(errors),
  };
  return {
    operationId,
    summary,
    ...(description !== undefined && { description }),
    ...(open && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && { requestBody: { required: true as const, content: contentOf(route.body, refer) } }),
    responses,
    // An extension that documentation tools show: commands that call the operation.
    ...(example && { "x-codeSamples": [{ lang: "Shell" as const, source: example.curl }] }),
  };
}

function contentOf(body: NonNullable<RouteDoc["body"]>, refer: (schema: z.ZodType) => JsonSchema): Content {
  const entries = Object.entries(body).map(([mediaType, schema]) => [
    mediaType,
    // OpenAPI 3.1: raw bytes have no schema.
    schema === "binary" ? {} : { schema: refer(schema) },
  ]);
  return Object.fromEntries(entries);
}

function parametersOf(object: z.ZodObject | undefined, place: "path" | "query") {
  return Object.entries(object?.shape ?? {}).map(([name, field]) => {
    const schema = field as z.ZodType;
    const { description, ...rest } = plain(z.toJSONSchema(schema, { io: "output" }));
    return {
      name,
      in: place,
      required: place === "path" || !schema.safeParse(undefined).success,
      ...(typeof description === "string" && { description }),
      schema: rest,
    };
  });
}

/** Builds one response per status, which names its codes. */
function problemsOf(codes: readonly ReasonCode[]): Record<string, ResponseObject> {
  const byStatus = Map.groupBy(codes, (code) => statusOfCode[code]);
  const responses = [...byStatus].map(([status, group]) => {
    const headers = headersOf({
      ...(status === 401 && { "WWW-Authenticate": "Bearer" }),
      ...((status === 429 || status === 503) && { "Retry-After": "seconds" }),
    });
    const response: ResponseObject = {
      description: group.join(", "),
      ...(Object.keys(headers).length > 0 && { headers }),
      content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
    };
    return [String(status), response] as const;
  });
  return Object.fromEntries(responses);
}

function headersOf(headers: Readonly<Record<string, string>>): NonNullable<ResponseObject["headers"]> {
  const entries = Object.entries(headers);
  return Object.fromEntries(
    entries.map(([name, description]) => [name, { description, schema: { type: "string" } }]),
  );
}

/** Removes the keywords of a stand-alone schema. Inside the document, OpenAPI sets the dialect and the place names it. */
function plain(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== dialect && key !== "$id"));
}
