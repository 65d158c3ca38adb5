/** `npm run head -- <command>`: trains your own classes on the features of the served model. */
import { addHeadEvaluate } from "./commands/evaluate.ts";
import { addHeadInfo } from "./commands/info.ts";
import { addHeadList } from "./commands/list.ts";
import { addHeadPush } from "./commands/push.ts";
import { addHeadRollback } from "./commands/rollback.ts";
import { runProgram } from "./commands/shared.ts";
import { addHeadTrain } from "./commands/train.ts";

await runProgram("head", "Train your own classes on the features of the served model.", [
  ...[addHeadTrain, addHeadEvaluate, addHeadInfo],
  ...[addHeadPush, addHeadList, addHeadRollback],
]);
