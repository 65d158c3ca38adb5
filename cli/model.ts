/** `npm run model -- <command>`: turns a public model into weights that the Worker serves. */
import { addFetch } from "./commands/fetch.ts";
import { addInfo } from "./commands/info.ts";
import { addList } from "./commands/list.ts";
import { addPack } from "./commands/pack.ts";
import { addPrune } from "./commands/prune.ts";
import { addPush } from "./commands/push.ts";
import { addRollback } from "./commands/rollback.ts";
import { runProgram } from "./commands/shared.ts";
import { addVerify } from "./commands/verify.ts";

await runProgram("model", "Turn a public model into weights that the Worker serves.", [
  ...[addFetch, addPack, addVerify, addInfo],
  ...[addPush, addList, addRollback, addPrune],
]);
