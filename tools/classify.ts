/** `npm run classify -- photo.jpg`: the same Worker, in workerd, for one answer a file. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { styleText } from "node:util";
import { Command } from "commander";
import { createTestHarness } from "wrangler";
import type { Prediction } from "../src/model/scores.ts";
import { embeddedEnv, projectFolder } from "./store/local-bucket.ts";
import { findPackFolder, readLocalPack } from "./store/local-pack.ts";
import { type PackBucket, pushPack } from "./store/push.ts";
import { renderPredictions } from "./terminal/bars.ts";
import { CommandError, runCommand } from "./terminal/fail.ts";
import { parseCount } from "./terminal/options.ts";
import { silentProgress } from "./terminal/progress.ts";

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
    .option("--top-k <count>", "predictions a file", parseCount)
    .option("--model <name>", "pack to use: a name in model-shards, or a folder", "resnet34-cifar10")
    .option("--json", "print the Worker's answers as one JSON array")
    .parse();
  const options = program.opts<{ topK?: number; model: string; json?: boolean }>();
  const images = await Promise.all(program.args.map(readImage));
  const answers = await classifyAll(images, options.model, options.topK);
  if (options.json) console.log(JSON.stringify(answers, null, 2));
  else for (const answer of answers) print(answer);
  if (answers.some(({ status }) => status !== 200)) process.exitCode = 1;
});

async function readImage(file: string): Promise<{ file: string; bytes: Uint8Array<ArrayBuffer> }> {
  // npm runs scripts in the project's folder; paths are relative to where the user stands.
  const resolved = path.resolve(process.env.INIT_CWD ?? ".", file);
  try {
    return { file, bytes: new Uint8Array(await readFile(resolved)) };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`;
    throw new CommandError(`${file}: ${why}; expected the path of a JPEG file`, { cause });
  }
}

async function classifyAll(
  images: readonly { file: string; bytes: Uint8Array<ArrayBuffer> }[],
  model: string,
  topK: number | undefined,
): Promise<Answer[]> {
  Object.assign(process.env, embeddedEnv);
  const pack = await readLocalPack(await findPackFolder(model));
  const workers = [
    { configPath: path.join(projectFolder, "wrangler.toml"), vars: { MODEL_NAME: pack.manifest.name } },
  ];
  const server = createTestHarness({ root: projectFolder, workers });
  try {
    await server.listen();
    const { MODELS } = await server.getWorker<{ MODELS: PackBucket }>().getEnv();
    await pushPack(MODELS, pack, silentProgress);
    const answers: Answer[] = [];
    for (const { file, bytes } of images) {
      const query = topK === undefined ? "" : `?top_k=${topK}`;
      const response = await server.fetch(`/v1/classify${query}`, { method: "POST", body: bytes });
      answers.push({ file, status: response.status, body: (await response.json()) as Answer["body"] });
    }
    return answers;
  } finally {
    await server.close();
  }
}

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
