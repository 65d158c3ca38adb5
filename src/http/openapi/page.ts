/** The OpenAPI document as a page, without scripts and without resources of other hosts. */
import { html, raw } from "hono/html";
import type { JsonSchema, OpenApiDocument, Operation, Parameter, ResponseObject } from "./document.ts";
import { exampleOrigin } from "./examples.ts";

/** The style of the page. Its Content-Security-Policy allows it by its hash. The colours are those of public/style.css. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --ground: #faf9f7;
  --card: #fff;
  --ink: #1c1917;
  --quiet: #5f5953;
  --line: #e4e0db;
  --soft: #f1eeea;
  --accent: #c2410c;
  --tint: #fdf0e7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #131110;
    --card: #1c1a18;
    --ink: #f5f3f0;
    --quiet: #aaa39b;
    --line: #35312d;
    --soft: #292623;
    --accent: #fb923c;
    --tint: #2b2018;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 58rem; padding: 0 clamp(1rem, 4vw, 2rem) 3rem; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; -webkit-text-size-adjust: 100%; overflow-wrap: anywhere; }
header { display: flex; align-items: center; justify-content: space-between; padding-block: .9rem; }
a { color: var(--accent); text-underline-offset: .2em; }
.name { display: flex; align-items: center; gap: .6rem; color: inherit; font-weight: 650; letter-spacing: -.015em; text-decoration: none; }
h1 { margin: 1.5rem 0 .75rem; font-size: clamp(1.9rem, 1.4rem + 2vw, 2.6rem); line-height: 1.1; letter-spacing: -.035em; }
h2 { margin: 0 0 .5rem; font-size: 1.1rem; letter-spacing: -.01em; }
h2.part { margin: 2.5rem 0 0; font-size: 1.5rem; letter-spacing: -.025em; }
h3 { margin: 1.25rem 0 .4rem; font-size: .85rem; font-weight: 600; color: var(--quiet); }
p { margin: 0 0 .75rem; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .85rem; }
pre { margin: 0; padding: .8rem .9rem; overflow-x: auto; overflow-wrap: normal; background: var(--soft); border-radius: 10px; }
pre + pre { margin-top: .5rem; }
nav ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: .3rem 1rem; margin: 1.5rem 0 2rem; padding: 0; list-style: none; font-size: .9rem; }
nav a { color: inherit; text-decoration: none; }
nav a:hover { text-decoration: underline; }
section, details { margin-top: 1rem; padding: 1.25rem; background: var(--card); border: 1px solid var(--line); border-radius: 16px; }
section > :last-child { margin-bottom: 0; }
section:target, details:target { border-color: var(--accent); }
.method { display: inline-block; min-width: 3.2rem; margin-right: .5rem; padding: .1rem .5rem; border-radius: 7px; background: var(--tint); color: var(--accent); font: 600 .75rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; text-align: center; text-transform: uppercase; }
dl { display: grid; grid-template-columns: minmax(0, max-content) minmax(0, 1fr); gap: .35rem 1rem; margin: 0; font-size: .92rem; }
dd { margin: 0; }
.quiet { color: var(--quiet); }
summary { cursor: pointer; font-weight: 600; }
details pre { margin-top: .75rem; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
@media (max-width: 40rem) {
  section, details { padding: 1rem; }
  dl.parameters { grid-template-columns: minmax(0, 1fr); gap: .1rem; }
  .parameters dd { margin-bottom: .5rem; }
}
`;

const logo = raw(
  '<svg aria-hidden="true" viewBox="0 0 32 32" width="26" height="26"><rect width="32" height="32" rx="9" fill="#c2410c"/><g fill="#fff"><rect x="7" y="8" width="18" height="4" rx="2"/><rect x="7" y="14" width="11" height="4" rx="2" opacity=".8"/><rect x="7" y="20" width="6" height="4" rx="2" opacity=".6"/></g></svg>',
);

/**
 * Renders the document.
 * @param origin of the Worker, for the commands
 */
export function documentPage(document: OpenApiDocument, origin: string) {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
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
<header><a class="name" href="/">${logo}${document.info.title}</a><a href="/">Try it</a></header>
<main>
<h1>API reference</h1>
<p>${document.info.description}</p>
<p>Where the owner has set API keys, add <code>-H "Authorization: Bearer $KEY"</code> to the commands.
For programs: <a href="/openapi.json">openapi.json</a> (OpenAPI ${document.openapi}).</p>
<nav aria-label="Operations"><ul>
${operations.map(
  ({ method, path, operation }) =>
    html`<li><a href="#${operation.operationId}"><span class="method">${method}</span>${path}</a></li>\n`,
)}</ul></nav>
${operations.map(({ method, path, operation }) => operationSection(method, path, operation, origin))}
<h2 class="part">Schemas</h2>
${schemas.map(
  ([name, schema]) =>
    html`<details id="${name}"><summary>${name}</summary>\n<pre tabindex="0">${jsonText(schema)}</pre></details>\n`,
)}
</main>
</body>
</html>
`;
}

function operationSection(method: string, path: string, operation: Operation, origin: string) {
  const { operationId, summary, description, parameters = [], requestBody, responses, security } = operation;
  return html`<section id="${operationId}">
<h2><span class="method">${method}</span><code>${path}</code></h2>
<p>${summary}. ${description} ${security?.length === 0 ? "No key needed." : ""}</p>
${exampleOf(operation, origin)}
${parameters.length > 0 ? html`<h3>Parameters</h3>\n<dl class="parameters">${parameters.map(parameterRow)}</dl>` : ""}
${requestBody ? html`<h3>Body</h3>\n<p>${listed(Object.keys(requestBody.content).map((type) => html`<code>${type}</code>`))}</p>` : ""}
<h3>Responses</h3>
<dl>${Object.entries(responses).map(responseRow)}</dl>
</section>
`;
}

function exampleOf({ "x-codeSamples": samples = [], responses }: Operation, origin: string) {
  const answers = Object.values(responses[200]?.content ?? {}).flatMap(({ example }) =>
    example === undefined ? [] : [example],
  );
  const texts = [
    ...samples.map(({ source }) => source.replaceAll(exampleOrigin, origin)),
    ...answers.map(jsonText),
  ];
  // The keyboard must be able to scroll them.
  return texts.length === 0
    ? ""
    : html`<h3>Example</h3>\n${texts.map((text) => html`<pre tabindex="0"><code>${text}</code></pre>`)}`;
}

function parameterRow({ name, in: place, required, description, schema }: Parameter) {
  const facts = [schema.type, place, required ? "required" : ""].filter((fact) => fact);
  return html`<dt><code>${name}</code> <span class="quiet">${facts.join(", ")}</span></dt><dd>${description}</dd>\n`;
}

function responseRow([status, { description, headers = {}, content = {} }]: [string, ResponseObject]) {
  const types = Object.entries(content).map(
    ([type, { schema }]) => html`<code>${type}</code> ${link(schema)}`,
  );
  const told = Object.entries(headers).map(
    ([name, header]) => html`<br><code>${name}</code>: ${header.description}`,
  );
  return html`<dt>${status}</dt><dd>${description}<span class="quiet"> ${listed(types)}${told}</span></dd>\n`;
}

function listed<T>(parts: readonly T[]) {
  return parts.map((part, i) => html`${i === 0 ? "" : ", "}${part}`);
}

function link(schema: JsonSchema | undefined) {
  const name = /^#\/components\/schemas\/(\w+)$/.exec(String(schema?.$ref))?.[1];
  return name === undefined ? "" : html`<a href="#${name}">${name}</a>`;
}

function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
