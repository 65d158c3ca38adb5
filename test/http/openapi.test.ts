import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createApp } from "../../src/http/app.ts";
import { apiDocument } from "../../src/http/openapi/api.ts";
import type { RouteDoc } from "../../src/http/openapi/document.ts";
import { openApiDocument } from "../../src/http/openapi/document.ts";
import { examples } from "../../src/http/openapi/examples.ts";
import { documentPage, pageStyle } from "../../src/http/openapi/page.ts";
import { problemSchema } from "../../src/http/schemas.ts";

const unused = () => {
  throw new Error("no route is called");
};

describe("the API's document", () => {
  test("has the version of the package", () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(apiDocument().info.version).toBe(version);
  });

  test("is valid OpenAPI 3.1, and every reference leads somewhere", async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(JSON.parse(JSON.stringify(apiDocument())));
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
    expect(validator.version).toBe("3.1");
    const { schemas } = apiDocument().components;
    const names = [...JSON.stringify(apiDocument()).matchAll(/"#\/components\/schemas\/(\w+)"/g)];
    expect(names.length).toBeGreaterThan(20);
    for (const [, name] of names) expect(schemas).toHaveProperty(name!);
  });

  test("has every route that the app has, and no other", () => {
    const routes = createApp({ services: unused, log: unused, timingSafeEqual: unused }).routes.filter(
      ({ method }) => method !== "ALL",
    );
    const served = routes.map(
      ({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}").replace("*", "{path}")}`,
    );
    const described = Object.entries(apiDocument().paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual([...new Set(served)].sort());
  });

  test("every operation has a curl command, and example answers fit the schemas", () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false }).addSchema(apiDocument(), "openapi");
    let answers = 0;
    for (const operation of Object.values(apiDocument().paths).flatMap((methods) => Object.values(methods))) {
      expect(operation["x-codeSamples"]?.[0]?.source, operation.operationId).toMatch(/^curl .*https:/);
      for (const { schema, example } of Object.values(operation.responses[200]!.content ?? {})) {
        if (example === undefined) continue;
        answers++;
        const text = JSON.stringify(schema).replaceAll('"#/', '"openapi#/');
        const validate = ajv.compile(JSON.parse(text));
        validate(example);
        expect(validate.errors ?? [], operation.operationId).toEqual([]);
      }
    }
    expect(answers).toBe(Object.keys(examples).length - 4);
  });

  test("top_k is an integer from 1 that may be left out; the body is required", () => {
    const { parameters, requestBody } = apiDocument().paths["/v1/classify"]!.post!;
    expect(parameters).toMatchObject([
      { name: "top_k", in: "query", required: false, schema: { type: "integer", minimum: 1 } },
      { name: "function_to_apply", in: "query", required: false },
      { name: "head", in: "query", required: false, schema: { type: "string" } },
      { name: "unknown", in: "query", required: false, schema: { enum: ["true", "false"] } },
    ]);
    expect(requestBody).toMatchObject({ required: true, content: { "image/jpeg": {} } });
  });

  test("errors stand under their status, codes named; what is open needs no key", () => {
    const { responses, security } = apiDocument().paths["/v1/classify"]!.post!;
    expect(security).toBeUndefined();
    expect(Object.keys(responses)).toEqual([
      ...["200", "400", "401", "403", "404", "413", "415", "422", "429", "500", "503", "508"],
    ]);
    expect(responses["400"]!.description).toBe(
      "empty_body, invalid_parameter, body_interrupted, malformed_body",
    );
    expect(responses["401"]!.headers).toHaveProperty("WWW-Authenticate");
    const health = apiDocument().paths["/healthz"]!.get!;
    expect(health.security).toEqual([]);
    expect(Object.keys(health.responses)).toEqual(["200", "500"]);
  });
});

describe("openApiDocument", () => {
  const inner = z.strictObject({ a: z.string() });
  const route: RouteDoc = {
    method: "post",
    path: "/models/{name}",
    operationId: "made",
    summary: "Made",
    params: z.object({ name: z.string() }),
    query: z.object({ must: z.enum(["x", "y"]) }),
    body: { "application/json": inner, "image/*": "binary" },
    answer: { description: "Made", schema: z.array(inner) },
  };

  test("takes path parameters, required ones, and bodies of several types", () => {
    const document = openApiDocument([route], { Inner: inner, Problem: problemSchema });
    const { parameters, requestBody, responses } = document.paths["/models/{name}"]!.post!;
    expect(parameters).toMatchObject([
      { name: "name", in: "path", required: true, schema: { type: "string" } },
      { name: "must", in: "query", required: true, schema: { enum: ["x", "y"] } },
    ]);
    const reference = { $ref: "#/components/schemas/Inner" };
    expect(requestBody!.content).toEqual({ "application/json": { schema: reference }, "image/*": {} });
    expect(responses["200"]!.content!["application/json"]!.schema).toMatchObject({ type: "array" });
  });

  test("the page escapes its text", () => {
    const hostile = { ...route, summary: '<img src="x">' };
    const page = String(
      documentPage(openApiDocument([hostile], { Problem: problemSchema }), "http://localhost"),
    );
    expect(page).toContain("&lt;img src=&quot;x&quot;&gt;");
    expect(page).not.toContain("<img");
  });

  test("the page has the colours of the page at /", () => {
    const colours = (style: string) => [...style.matchAll(/--[\w-]+: #\w+;/g)].map(([rule]) => rule);
    const theirs = colours(readFileSync("public/style.css", "utf8"));
    expect(colours(pageStyle).length).toBeGreaterThan(10);
    expect(theirs).toEqual(expect.arrayContaining(colours(pageStyle)));
  });
});
