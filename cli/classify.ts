/** `npm run classify -- photo.jpg`: sends images to the Worker, which runs inside this command or in your account. */
import { Command, Option } from "@commander-js/extra-typings";
import { defaultModelName } from "../src/default-model.ts";
import { ask, type Post, postTo } from "./classify/ask.ts";
import { formats, printer } from "./classify/formats.ts";
import { findInputs } from "./classify/inputs.ts";
import { examples } from "./commands/shared.ts";
import { runCommand } from "./terminal/fail.ts";
import { parseCount } from "./terminal/options.ts";

await runCommand(async () => {
  const program = new Command("npm run classify --")
    .description(
      "Classify images with the Worker, on this machine or in your account. Exits with 1 if an image has no answer.",
    )
    .argument(
      "<images...>",
      "image files; folders, whose image files are found recursively; http(s) URLs; - for standard input",
    )
    .option("--top-k <count>", "predictions per image", parseCount)
    .option("--model <name>", "pack to use: a name in model-shards, or a folder", defaultModelName)
    .addOption(
      new Option(
        "--worker <url>",
        "ask this deployed Worker; an API key is read from the environment variable EDGE_RESNET_KEY",
      ).conflicts("model"),
    )
    .addOption(
      new Option("--format <format>", "json: the Worker's answers in one array; ndjson: one per line")
        .choices(formats)
        .default("text" as const),
    )
    .addOption(new Option("--json", "the same as --format json").conflicts("format"))
    .addHelpText(
      "after",
      examples(
        "npm run classify -- photo.jpg --top-k 3",
        "npm run --silent classify -- photos --format csv > photos.csv",
        "npm run classify -- photos --worker https://classify.example.com",
      ),
    )
    .parse();
  const { topK, model, worker, format, json } = program.opts();
  const inputs = await findInputs(program.args, process.stdin);
  const query = topK === undefined ? "" : `?top_k=${topK}`;
  const print = printer(json ? "json" : format, (text) => process.stdout.write(text));
  const classify = async (post: Post) => {
    for (const input of inputs) {
      const answer = await ask(input, post);
      print.answer(answer);
      if (answer.status !== 200) process.exitCode = 1;
    }
  };
  if (worker === undefined) {
    // Imported here because loading wrangler takes most of a second, which a deployed Worker does not need.
    const { withEmbeddedWorker } = await import("./workerd/embedded-worker.ts");
    await withEmbeddedWorker(model, (harness) =>
      classify((body) => harness.fetch(`/v1/classify${query}`, { method: "POST", body })),
    );
  } else await classify(postTo(worker, query, process.env.EDGE_RESNET_KEY));
  print.end();
});
