/** `npm run classify -- photo.jpg`: sends files to the Worker, which runs inside this command. */
import { styleText } from "node:util";
import { Command } from "commander";
import { defaultModelName } from "../src/default-model.ts";
import type { Prediction } from "../src/model/scores.ts";
import { runCommand } from "./terminal/fail.ts";
import { parseCount } from "./terminal/options.ts";
import { renderPredictions } from "./terminal/output.ts";
import { readRequired } from "./terminal/paths.ts";
import { withEmbeddedWorker } from "./workerd/embedded-worker.ts";

/** The Worker's answer for one file. */
interface Answer {
  readonly file: string;
  readonly status: number;
  readonly body: {
    readonly model?: { readonly name: string; readonly version: string };
    readonly image?: { readonly width: number; readonly height: number };
    readonly predictions?: readonly Prediction[];
    readonly detail?: string;
  };
}

await runCommand(async () => {
  const program = new Command("npm run classify --")
    .description("Classify JPEG files with the Worker, on this machine.")
    .argument("<files...>", "JPEG files")
    .option("--top-k <count>", "predictions per file", parseCount)
    .option("--model <name>", "pack to use: a name in model-shards, or a folder", defaultModelName)
    .option("--json", "print the Worker's answers as one JSON array")
    .parse();
  const options = program.opts<{ topK?: number; model: string; json?: boolean }>();
  const images = await Promise.all(
    program.args.map(async (file) => ({ file, bytes: await readRequired(file, "expected a JPEG file") })),
  );
  const query = options.topK === undefined ? "" : `?top_k=${options.topK}`;
  const answers = await withEmbeddedWorker(options.model, async (harness) => {
    const answers: Answer[] = [];
    for (const { file, bytes } of images) {
      const response = await harness.fetch(`/v1/classify${query}`, { method: "POST", body: bytes });
      answers.push({ file, status: response.status, body: (await response.json()) as Answer["body"] });
    }
    return answers;
  });
  if (options.json) console.log(JSON.stringify(answers, null, 2));
  else for (const answer of answers) print(answer);
  if (answers.some(({ status }) => status !== 200)) process.exitCode = 1;
});

function print({ file, status, body }: Answer): void {
  console.log(styleText("bold", file));
  if (status !== 200 || !body.predictions) {
    console.log(styleText("red", `  ${status} ${body.detail ?? ""}`));
    return;
  }
  console.log(renderPredictions(body.predictions));
  const { model, image } = body;
  console.log(styleText("dim", `  ${image?.width}x${image?.height}, ${model?.name} ${model?.version}`));
}
