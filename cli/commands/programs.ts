/** The programs with several commands. */

import { addExport, addImport, addLabel, addRetry, addSetup, addStatus } from "../pictures/commands.ts";
import {
  addDelete,
  addHeadDelete,
  addHeadList,
  addHeadPush,
  addHeadRollback,
  addList,
  addPrune,
  addPush,
  addRollback,
} from "./bucket.ts";
import { addHeadEvaluate } from "./evaluate.ts";
import { addFetch } from "./fetch.ts";
import { addHeadInfo, addInfo } from "./info.ts";
import { addPack } from "./pack.ts";
import { makeProgram } from "./shared.ts";
import { addHeadTrain } from "./train.ts";
import { addVerify } from "./verify.ts";

/** Makes the program of `npm run model -- <command>`. */
export function modelProgram() {
  return makeProgram("model", "Turn a public model into weights that the Worker serves.", [
    addFetch,
    addPack,
    addVerify,
    addInfo,
    addPush,
    addList,
    addRollback,
    addPrune,
    addDelete,
  ]);
}

/** Makes the program of `npm run head -- <command>`. */
export function headProgram() {
  return makeProgram("head", "Train your own classes on the features of the served model.", [
    addHeadTrain,
    addHeadEvaluate,
    addHeadInfo,
    addHeadPush,
    addHeadList,
    addHeadRollback,
    addHeadDelete,
  ]);
}

/** Makes the program of `npm run bucket -- <command>`. */
export function bucketProgram() {
  return makeProgram("bucket", "Label the pictures of a bucket.", [
    addLabel,
    addStatus,
    addRetry,
    addExport,
    addImport,
    addSetup,
  ]);
}
