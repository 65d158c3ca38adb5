/** Starts the doctor. Needs nothing but Node, and explains an old Node or a missing node_modules. */
import { existsSync } from "node:fs";

const missing = ["commander", "zod", "wrangler", "node"].filter(
  (name) => !existsSync(new URL(`../node_modules/${name}/package.json`, import.meta.url)),
);
if (missing.length > 0) {
  console.error(`dependencies
  broken  node_modules lacks ${missing.join(", ")}
          fix: npm ci (with Node 20.19 or newer; this is ${process.versions.node})`);
  process.exitCode = 1;
} else if (!process.features.typescript) {
  console.error(`node
  broken  Node ${process.versions.node} cannot run the project's TypeScript
          fix: start it with npm, which puts the project's own Node first: npm run doctor`);
  process.exitCode = 1;
} else {
  await import("./doctor.ts");
}
