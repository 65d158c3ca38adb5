/** `npm run doctor`: finds what on this machine keeps the project from working, and how to fix it. */
import path from "node:path";
import { Command } from "commander";
import { examine, type Section } from "./doctor/examine.ts";
import { sectionText, summaryText } from "./doctor/report.ts";
import { runCommand } from "./terminal/fail.ts";
import { parsePort } from "./terminal/options.ts";

await runCommand(async () => {
  const program = new Command("npm run doctor --")
    .description(
      "Check this machine, the packs and the bucket, and say how to fix what is broken. The exit code is 1 if something is.",
    )
    .option("--remote", "check the bucket in your Cloudflare account too")
    .option("--port <port>", "port for npm start to listen on", parsePort, 8787)
    .option("--json", "print one JSON document on stdout (with npm: npm run --silent doctor -- --json)")
    .parse();
  const options = program.opts<{ remote?: boolean; port: number; json?: boolean }>();
  const patient = {
    folder: path.join(import.meta.dirname, ".."),
    port: options.port,
    inspectorPort: 9229,
    remote: options.remote ?? false,
    env: process.env,
  };
  const sections: Section[] = [];
  const terminal = process.stdout.isTTY;
  for await (const section of examine(patient)) {
    sections.push(section);
    if (!options.json) console.log(sectionText(section, terminal));
  }
  const broken = sections.some(({ findings }) => findings.some(({ level }) => level === "broken"));
  console.log(
    options.json
      ? JSON.stringify({ well: !broken, checks: sections }, null, 2)
      : `\n${summaryText(sections)}`,
  );
  if (broken) process.exitCode = 1;
});

// An open connection must not keep a finished command running.
setTimeout(() => process.exit(), 2_000).unref();
