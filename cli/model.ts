/** `npm run model -- <command>`: turns a public model into weights that the Worker serves. */
import { addList, addPrune, addPush, addRollback } from "./commands/bucket.ts";
import { addFetch } from "./commands/fetch.ts";
import { addInfo } from "./commands/info.ts";
import { addPack } from "./commands/pack.ts";
import { runProgram } from "./commands/shared.ts";
import { addVerify } from "./commands/verify.ts";

await runProgram("model", "Turn a public model into weights that the Worker serves.", [
  addFetch,
  addPack,
  addVerify,
  addInfo,
  addPush,
  addList,
  addRollback,
  addPrune,
]);
