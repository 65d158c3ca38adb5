/** `npm run doctor`: finds problems of this machine and the project, and says how to fix them. */
import path from "node:path";
import { Command } from "commander";
import { examine } from "./doctor/examine.ts";
import { type Section, sectionText, summaryText } from "./doctor/finding.ts";
import { runAndExit } from "./terminal/fail.ts";
import { parsePort } from "./terminal/options.ts";

await runAndExit(async () => {
  const program = new Command("npm run doctor --")
    .description(
      "Check this machine, the packs and the bucket, and say how to fix what is broken. The exit code is 1 if something is.",
    )
    .option("--remote", "check the bucket in your Cloudflare account too")
    .option("--port <port>", "port for npm start to listen on", parsePort, 8787)
    .option("--json", "print one JSON document on stdout (with npm: npm run --silent doctor -- --json)")
    .parse();
  const { remote = false, port, json } = program.opts<{ remote?: boolean; port: number; json?: boolean }>();
  const folder = path.join(import.meta.dirname, "..");
  const sections: Section[] = [];
  for await (const section of examine({ folder, port, inspectorPort: 9229, remote, env: process.env })) {
    sections.push(section);
    if (!json) console.log(sectionText(section, process.stdout.isTTY));
  }
  const well = sections.every(({ findings }) => findings.every(({ level }) => level !== "broken"));
  console.log(json ? JSON.stringify({ well, checks: sections }, null, 2) : `\n${summaryText(sections)}`);
  if (!well) process.exitCode = 1;
});
