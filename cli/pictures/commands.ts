/** The commands of `npm run bucket`. All but `setup` talk to a running Worker, which alone has the queue and the database. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "@commander-js/extra-typings";
import { addCommand } from "../commands/shared.ts";
import { bucketCost } from "../cost/bucket-cost.ts";
import { unitCostsFromDocument } from "../cost/prices.ts";
import { moneyText, numberText } from "../plot/format.ts";
import { projectFolder } from "../store/project.ts";
import { CommandError } from "../terminal/fail.ts";
import { printResult, table } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";
import { connect, type Picture, type PicturesApi, type Status, type WorkPage } from "./api.ts";
import { exportFormats, exportPictures } from "./export.ts";
import { followQueue } from "./follow.ts";

/** Seconds between the two looks at the progress that give the speed. */
const sampleSeconds = 3;
/** Rows of one request of an export. With features, 2 MB of base64. */
const exportPage = { plain: "500", features: "250" };

/** Adds `bucket label`. */
export function addLabel(program: Command): void {
  workerCommand(program, "label", "label what has no label yet", "--prefix uploads/", "--stale --remote")
    .description(
      "Compare the bucket with its labels and enqueue every object without a current one. Run it again after an interruption: it enqueues only what is missing.",
    )
    .option("--prefix <text>", "only objects whose keys begin with this text")
    .option("--stale", "also label pictures again that another version of the model or head has labelled")
    .option("--wait", "wait until the queue is empty, and show the progress")
    .action(async (options) => {
      const { prefix, stale } = options;
      const api = await connect(options);
      const { listed, enqueued } = await sumOf(api.labelPages({ prefix, stale }), "compared");
      const status = options.wait ? await followQueue(api, enqueued, createProgress()) : undefined;
      const report = { listed, enqueued, ...(status && { status }) };
      const hint = status ? `\n${describeStatus(status)}` : "\nprogress: npm run bucket -- status";
      printResult(options, report, () => `${listed} objects compared, ${enqueued} enqueued${hint}`);
    });
}

/** Adds `bucket status`. */
export function addStatus(program: Command): void {
  workerCommand(program, "status", "show the progress, the speed and the cost", "--remote")
    .description("Show what is labelled, waiting and failed, the pictures per second, and the cost so far.")
    .action(async (options) => {
      const api = await connect(options);
      const before = await api.status();
      await sleep(1000 * sampleSeconds);
      const status = await api.status();
      const rate = (status.current + status.failed - before.current - before.failed) / sampleSeconds;
      const costs = await costOf(status.pictures);
      const report = { ...status, pictures_per_second: Math.max(0, rate), costs };
      printResult(options, report, () => describeProgress(status, report.pictures_per_second, costs));
    });
}

/** Adds `bucket retry`. */
export function addRetry(program: Command): void {
  workerCommand(program, "retry", "try again what failed", "--remote")
    .description("Enqueue messages that failed too often, and objects that could not be labelled.")
    .action(async (options) => {
      const { enqueued } = await sumOf((await connect(options)).retryPages(), "looked at");
      printResult(options, { enqueued }, () => `${enqueued} enqueued`);
    });
}

/** Adds `bucket export`. */
export function addExport(program: Command): void {
  workerCommand(program, "export", "write the labels to a file", "--format parquet --output labels.parquet")
    .description("Write the labels to a file: CSV, one JSON document per line, or Parquet.")
    .addOption(
      new Option("--format <format>", "format of the file").choices(exportFormats).default("csv" as const),
    )
    .requiredOption("--output <file>", "file to write; it appears when it is complete")
    .option("--features", "with the features of each picture")
    .option("--label <label>", "only pictures with this label, highest score first")
    .option("--prefix <text>", "only objects whose keys begin with this text")
    .action(async (options) => {
      const { format, output, features, label, prefix } = options;
      const api = await connect(options);
      const query = {
        limit: features ? exportPage.features : exportPage.plain,
        ...(features && { include: "features" }),
        ...(label !== undefined && { label }),
        ...(prefix !== undefined && { prefix }),
      };
      const file = userPath(output);
      const pictures = await exportPictures(allPictures(api, query), format, file);
      printResult(options, { pictures, file }, () => `${pictures} pictures written to ${output}`);
    });
}

/** Adds `bucket import`. */
export function addImport(program: Command): void {
  addCommand(program, "import", "copy a folder into the local bucket and label it", "~/Pictures")
    .description(
      "Put the image files of a folder into the local bucket, and send the event notifications that R2 would send.",
    )
    .argument("<folder>", "folder of image files")
    .option("--prefix <text>", "beginning of the keys")
    .option("--worker <url>", "address of the running Worker")
    .option("--persist-to <folder>", "folder of the local storage, as for wrangler dev")
    .action(async (folder, options) => {
      const api = await connect(options);
      // Fails before anything is copied if the Worker does not run, or does not label a bucket.
      await api.status();
      const { importFolder, picturesConfig } = await import("./local.ts");
      const { prefix, persistTo } = options;
      const place = {
        ...{ prefix, bucket: picturesConfig().bucket },
        persistTo: persistTo && userPath(persistTo),
      };
      const files = await importFolder(userPath(folder), place, api, createProgress());
      printResult(
        options,
        { files },
        () => `${files} files copied and enqueued\nprogress: npm run bucket -- status`,
      );
    });
}

/** Adds `bucket setup`. */
export function addSetup(program: Command): void {
  addCommand(program, "setup", "create queues, database and notifications", "--remote", "--remote --run")
    .description(
      "Print the wrangler commands that create the bucket, the queues, the database and the notification rule in your Cloudflare account. With --run, run those whose result is not there yet.",
    )
    .requiredOption("--remote", "in your Cloudflare account; a local bucket needs no setup")
    .option("--run", "run the commands")
    .action(async (options) => {
      const { runSetup, setupPlan } = await import("./setup.ts");
      const plan = await setupPlan();
      if (options.run) return runSetup(plan, (line) => console.log(line));
      printResult(options, { commands: plan.steps }, () => plan.text);
    });
}

/** Adds a command with the options that choose the Worker. */
function workerCommand(program: Command, name: string, summary: string, ...calls: readonly string[]) {
  return addCommand(program, name, summary, ...calls)
    .option("--worker <url>", "address of the Worker (default: that of npm start on this machine)")
    .option("--remote", "the deployed Worker: the first route in wrangler.toml, unless --worker names it");
}

/** Adds up the pages of work, and shows after each tenth how far it is. */
async function sumOf(pages: AsyncIterable<WorkPage>, verb: string) {
  let [count, listed, enqueued] = [0, 0, 0];
  for await (const page of pages) {
    listed += page.listed;
    enqueued += page.enqueued;
    if (++count % 10 === 0) process.stderr.write(`${listed} ${verb}, ${enqueued} enqueued\n`);
  }
  return { listed, enqueued };
}

async function* allPictures(
  api: PicturesApi,
  query: Readonly<Record<string, string>>,
): AsyncGenerator<Picture> {
  const total = (await api.status()).pictures;
  const progress = createProgress();
  let done = 0;
  for (let cursor: string | undefined; ; ) {
    const page = await api.list({ ...query, ...(cursor !== undefined && { cursor }) });
    yield* page.pictures;
    done += page.pictures.length;
    progress.update("export", done, Math.max(done, total));
    cursor = page.cursor;
    if (cursor === undefined) break;
  }
  progress.stop();
}

/** Estimates from the CPU time that docs/scaling.md states. */
async function costOf(pictures: number) {
  const document = await readFile(path.join(projectFolder, "docs", "scaling.md"), "utf8");
  const costs = unitCostsFromDocument(document);
  if (!costs)
    throw new CommandError("docs/scaling.md has no measured costs", { fix: "git checkout docs/scaling.md" });
  return bucketCost(pictures, costs.missCpuMs);
}

/** Describes the progress in a few lines. */
function describeStatus({ pictures, current, stale, failures, dead_letters, waiting }: Status): string {
  const rows = [
    ["objects with a row", String(pictures)],
    ["labelled by the live model", String(current)],
    ...(stale > 0 ? [["labelled by other versions", `${stale} (npm run bucket -- label --stale)`]] : []),
    ...failures.map(({ code, count }) => [`failed with ${code}`, String(count)]),
    ...(dead_letters.count > 0
      ? [
          [
            "messages given up",
            `${dead_letters.count} (npm run bucket -- retry): ${dead_letters.keys.slice(0, 3).join(", ")}`,
          ],
        ]
      : []),
    ["waiting in the queue", String(waiting)],
  ];
  return table(rows);
}

function describeProgress(status: Status, rate: number, costs: ReturnType<typeof bucketCost>): string {
  const [gross, billed] = [
    costs.reduce((sum, { dollars }) => sum + dollars, 0),
    costs.reduce((sum, item) => sum + item.billed, 0),
  ];
  const rows = costs.map(({ what, quantity, dollars, billed: due }) => [
    what,
    numberText(quantity),
    moneyText(dollars),
    moneyText(due),
  ]);
  const head = ["estimated cost so far", "quantity", "dollars", "beyond the included"];
  return `${describeStatus(status)}
pictures per second         ${rate.toFixed(1)}

${table([head, ...rows, ["all", "", moneyText(gross), moneyText(billed)]], [1, 2, 3])}`;
}
