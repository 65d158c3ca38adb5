/** Runs one measurement: the command line has the name of a peer, and its argument as JSON. */
import type { decode, decodeAgreement } from "./decode.ts";
import type { exact } from "./exact.ts";
import type { nativeModel } from "./native-model.ts";
import type { tfjsModel } from "./tfjs-model.ts";

/** The measurements, by name. */
export interface Peers {
  readonly decode: typeof decode;
  readonly decodeAgreement: typeof decodeAgreement;
  readonly exact: typeof exact;
  readonly nativeModel: typeof nativeModel;
  readonly tfjsModel: typeof tfjsModel;
}
/** Name of a measurement. */
export type PeerName = keyof Peers;

/** A process imports nothing but its own peer: what is imported counts as the subject's memory. */
const files: Readonly<Record<PeerName, string>> = {
  decode: "./decode.ts",
  decodeAgreement: "./decode.ts",
  exact: "./exact.ts",
  nativeModel: "./native-model.ts",
  tfjsModel: "./tfjs-model.ts",
};

const [name, argument = "{}"] = process.argv.slice(2);
const module = (await import(files[name as PeerName])) as Record<
  string,
  (argument: unknown) => Promise<object>
>;
const answer = await module[name as PeerName]!(JSON.parse(argument));
// On a line of its own, after the output of libraries.
process.stdout.write(`\n${JSON.stringify(answer)}\n`);
