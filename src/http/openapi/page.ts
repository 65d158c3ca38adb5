/** The OpenAPI document as a page, without scripts and without resources of other hosts. */
import { html, raw } from "hono/html";
import type { JsonSchema, OpenApiDocument, Operation, Parameter, ResponseObject } from "./document.ts";

/** The style of the page. Its Content-Security-Policy allows it by its hash. */
export const pageStyle = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h2 { margin-top: 2.5rem; padding-top: .75rem; border-top: 1px solid var(--line); font-size: 1.2rem; }
h2 code { overflow-wrap: anywhere; }
.method { text-transform: uppercase; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); }
td:first-child { white-space: nowrap; }
pre { overflow-x: auto; padding: .75rem; background: var(--soft); }
`;

/** Renders the document. */
export function documentPage(document: OpenApiDocument) {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => operationSection(method, path, operation)),
  );
  const schemas = Object.entries(document.components.schemas);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${document.info.title} API</title>
<style>${raw(pageStyle)}</style>
</head>
<body>
<h1>${document.info.title} API</h1>
<p>${document.info.description} Where the owner has set API keys, send <code>Authorization: Bearer KEY</code>.
For programs: <a href="/openapi.json">openapi.json</a> (OpenAPI ${document.openapi}).</p>
${operations}
<h2>Schemas</h2>
${schemas.map(([name, schema]) => html`<h3 id="${name}">${name}</h3>\n<pre>${JSON.stringify(schema, null, 2)}</pre>\n`)}
</body>
</html>
`;
}

function operationSection(method: string, path: string, operation: Operation) {
  const { operationId, summary, description, parameters = [], requestBody, responses, security } = operation;
  return html`<section id="${operationId}">
<h2><code><span class="method">${method}</span> ${path}</code></h2>
<p>${summary}. ${description} ${security?.length === 0 ? "No key needed." : ""}</p>
${parameters.length > 0 ? table(["Parameter", "In", "Type", ""], parameters.map(parameterRow)) : ""}
${requestBody ? html`<p>Body: ${Object.keys(requestBody.content).map((type) => html`<code>${type}</code> `)}</p>` : ""}
${table(["Status", "Answer", "Headers"], Object.entries(responses).map(responseRow))}
</section>
`;
}

function table(heads: readonly string[], rows: readonly unknown[]) {
  return html`<table><thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table>`;
}

function parameterRow({ name, in: place, required, description, schema }: Parameter) {
  return html`<tr><td><code>${name}</code></td><td>${place}${required ? ", required" : ""}</td>
<td>${String(schema.type ?? "")}</td><td>${description}</td></tr>\n`;
}

function responseRow([status, { description, headers = {}, content = {} }]: [string, ResponseObject]) {
  const types = Object.entries(content).map(
    ([type, { schema }]) => html`<br><code>${type}</code> ${link(schema)}`,
  );
  const told = Object.entries(headers).map(
    ([name, header]) => html`<code>${name}</code>: ${header.description}<br>`,
  );
  return html`<tr><td>${status}</td><td>${description}${types}</td><td>${told}</td></tr>\n`;
}

function link(schema: JsonSchema | undefined) {
  const name = /^#\/components\/schemas\/(\w+)$/.exec(String(schema?.$ref))?.[1];
  return name === undefined ? "" : html`<a href="#${name}">${name}</a>`;
}
