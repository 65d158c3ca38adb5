/** `model verify`: compares a pack with the float32 model it was made from. */
import { type Command, Option } from "@commander-js/extra-typings";
import { engineNames } from "../../src/model/engine.ts";
import { requireAgreement } from "../pack/evaluate.ts";
import { type BetterNormalisation, verifyPack } from "../pack/verify.ts";
import { findPackFolder } from "../store/local-pack.ts";
import { describeAgreement, printResult } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";
import { minAgreementOption } from "./pack.ts";
import { addCommand } from "./shared.ts";

/** Adds `verify <pack>`. */
export function addVerify(program: Command): void {
  addCommand(
    program,
    "verify",
    "compare a pack with the model it was made from",
    "resnet34-v1-7 --against resnet34-v1-7.onnx --images photos --labels-from-names",
  )
    .description(
      "Compare a pack, run by an engine of the Worker, with its float32 model, run by native ONNX Runtime. Exits with 1 when they agree on too few images.",
    )
    .argument("<pack>", "folder of a pack, or the name of one in model-shards")
    .requiredOption("--against <file.onnx>", "the model that the pack was made from")
    .requiredOption("--images <dir>", "folder of photographs")
    .option(
      "--labels-from-names",
      "read each photograph's class from its folder or name, as in truck/1.jpg or truck-0517.jpg",
    )
    .addOption(
      new Option("--engine <name>", "what runs the pack, as in the Worker")
        .choices(engineNames)
        .default("onnxruntime" as const),
    )
    .option(
      "--count-changes",
      "also count the answers that change when sharp decodes the photographs, and by the pack",
    )
    .option(...minAgreementOption)
    .action(async (name, options) => {
      const progress = createProgress();
      const { agreement, sameSource, betterNormalisation } = await verifyPack(
        {
          folder: await findPackFolder(name),
          against: userPath(options.against),
          images: userPath(options.images),
          labelsFromNames: options.labelsFromNames ?? false,
          engine: options.engine,
          countChanges: options.countChanges ?? false,
        },
        progress.update.bind(progress),
      ).finally(() => progress.stop());
      if (!sameSource)
        process.stderr.write(`note: the pack was made from another file than ${options.against}\n`);
      if (betterNormalisation) process.stderr.write(`warning: ${describeBetter(betterNormalisation)}\n`);
      const document = { ...agreement, same_source: sameSource, better_normalisation: betterNormalisation };
      printResult(options, document, () => describeAgreement(agreement));
      const fix = sameSource
        ? "Pack the model again with --calibrate photographs like these."
        : "Compare the pack with the file that it was made from.";
      requireAgreement(agreement, options.minAgreement, fix);
    });
}

function describeBetter({ options, images, source_top1, better_top1 }: BetterNormalisation): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  return `normalised as with ${options}, the model is right on ${percent(better_top1)} of ${images} photographs; as packed, on ${percent(source_top1)}; pack it again with these options`;
}
