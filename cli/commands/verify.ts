/** `model verify`: compares a pack with the float32 model it was made from. */
import type { Command } from "@commander-js/extra-typings";
import { verifyPack } from "../pack/verify.ts";
import { findPackFolder } from "../store/local-pack.ts";
import { describeAgreement } from "../terminal/agreement.ts";
import { CommandError } from "../terminal/fail.ts";
import { parseShare } from "../terminal/options.ts";
import { jsonOption, printResult } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";
import { examples } from "./shared.ts";

/** Adds `verify <pack>`. */
export function addVerify(program: Command): void {
  program
    .command("verify")
    .summary("compare a pack with the model it was made from")
    .description(
      "Compare a pack, run by the ONNX Runtime of the Worker, with its float32 model, run by native ONNX Runtime. Exits with 1 when they agree on too few images.",
    )
    .argument("<pack>", "folder of a pack, or the name of one in model-shards")
    .requiredOption("--against <file.onnx>", "the model that the pack was made from")
    .requiredOption("--images <dir>", "folder of JPEG photographs")
    .option("--labels-from-names", "read each photograph's class from its name, as in truck-0517.jpg")
    .option(
      "--count-changes",
      "also count the answers that change when libjpeg-turbo decodes the photographs, and by the pack",
    )
    .option("--min-agreement <share>", "least share of images with the same first class", parseShare, 0.9)
    .option(...jsonOption)
    .addHelpText(
      "after",
      examples(
        "npm run model -- verify resnet34-v1-7 --against resnet34-v1-7.onnx --images photos --labels-from-names",
      ),
    )
    .action(async (name, options) => {
      const progress = createProgress();
      const { agreement, sameSource } = await verifyPack(
        {
          folder: await findPackFolder(name),
          against: userPath(options.against),
          images: userPath(options.images),
          labelsFromNames: options.labelsFromNames ?? false,
          countChanges: options.countChanges ?? false,
        },
        progress.update.bind(progress),
      ).finally(() => progress.stop());
      if (!sameSource)
        process.stderr.write(`note: the pack was made from another file than ${options.against}\n`);
      printResult(options, { ...agreement, same_source: sameSource }, () => describeAgreement(agreement));
      if (agreement.top1 < options.minAgreement) {
        throw new CommandError(
          `the first class agrees on ${(100 * agreement.top1).toFixed(2)}% of the images; expected at least ${100 * options.minAgreement}% (--min-agreement); pack it again with other --calibrate photographs`,
        );
      }
    });
}
