/** `npm run head -- <command>`: trains your own classes on the features of the served model. */
import { addHeadList, addHeadPush, addHeadRollback } from "./commands/bucket.ts";
import { addHeadEvaluate } from "./commands/evaluate.ts";
import { addHeadInfo } from "./commands/info.ts";
import { runProgram } from "./commands/shared.ts";
import { addHeadTrain } from "./commands/train.ts";

await runProgram("head", "Train your own classes on the features of the served model.", [
  addHeadTrain,
  addHeadEvaluate,
  addHeadInfo,
  addHeadPush,
  addHeadList,
  addHeadRollback,
]);
