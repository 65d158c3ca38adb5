/** Starts the doctor also where its own ground is missing: an old Node, or no node_modules. Needs nothing but Node. */
import { existsSync } from "node:fs";

const missing = ["commander", "zod", "wrangler", "node"].filter(
  (name) => !existsSync(new URL(`../node_modules/${name}/package.json`, import.meta.url)),
);
if (missing.length > 0) {
  console.error(`dependencies
  broken  node_modules lacks ${missing.join(", ")}
          mend: npm ci (with Node 20.19 or newer; this is ${process.versions.node})`);
  process.exitCode = 1;
} else if (!process.features.typescript) {
  console.error(`node
  broken  Node ${process.versions.node} cannot run the project's TypeScript
          mend: start it with npm, which puts the project's own Node first: npm run doctor`);
  process.exitCode = 1;
} else {
  await import("./doctor.ts");
}
