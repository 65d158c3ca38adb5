/** `verify`: a pack against the float32 model it was made from. */
import type { Command } from "commander";
import { verifyPack } from "../pack/verify.ts";
import { findPackFolder } from "../store/local-pack.ts";
import { describeAgreement } from "../terminal/agreement.ts";
import { CommandError } from "../terminal/fail.ts";
import { parseShare } from "../terminal/options.ts";
import { jsonOption, type OutputOptions, printResult } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";

interface VerifyCommandOptions extends OutputOptions {
  readonly against: string;
  readonly images: string;
  readonly labelsFromNames?: boolean;
  readonly minAgreement: number;
}

export function addVerify(program: Command): void {
  program
    .command("verify")
    .summary("compare a pack with the model it was made from")
    .description(
      "Compare a pack, in the ONNX Runtime that serves, with the float32 model it was made from, in native ONNX Runtime. Exits with 1 when they agree too seldom.",
    )
    .argument("<pack>", "folder of a pack, or the name of one in model-shards")
    .requiredOption("--against <file.onnx>", "the model that the pack was made from")
    .requiredOption("--images <dir>", "folder of JPEG photographs")
    .option("--labels-from-names", "the photographs' names tell their class, as in truck-0517.jpg")
    .option("--min-agreement <share>", "least share of images with the same first class", parseShare, 0.9)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExample:\n  npm run model -- verify resnet34-v1-7 --against resnet34-v1-7.onnx --images photos --labels-from-names",
    )
    .action(async (name: string, options: VerifyCommandOptions) => {
      const progress = createProgress();
      const { agreement, sameSource } = await verifyPack(
        {
          folder: await findPackFolder(name),
          against: userPath(options.against),
          images: userPath(options.images),
          labelsFromNames: options.labelsFromNames ?? false,
        },
        (stage, done, total) => progress.update(stage, done, total),
      ).finally(() => progress.stop());
      if (!sameSource)
        process.stderr.write(`note: the pack was made from another file than ${options.against}\n`);
      printResult(options, { ...agreement, same_source: sameSource }, () => describeAgreement(agreement));
      const { minAgreement } = options;
      if (agreement.top1 < minAgreement) {
        throw new CommandError(
          `the first class agrees on ${(100 * agreement.top1).toFixed(2)}% of the images; expected at least ${100 * minAgreement}% (--min-agreement); pack it again with other --calibrate photographs`,
        );
      }
    });
}
