/** Runs one measurement: the command line has its name, and its argument as JSON. */

/** The measurements. A process imports only its own: imported code counts as the subject's memory. */
const peers = {
  decode: async () => (await import("./decode.ts")).decode,
  decodeAgreement: async () => (await import("./decode.ts")).decodeAgreement,
  decodeFormat: async () => (await import("./formats.ts")).decodeFormat,
  engines: async () => (await import("./exact.ts")).engines,
  exact: async () => (await import("./exact.ts")).exact,
  nativeModel: async () => (await import("./native-model.ts")).nativeModel,
  tfjsModel: async () => (await import("./tfjs-model.ts")).tfjsModel,
};

/** The measurements, by name. */
export type Peers = { [Name in keyof typeof peers]: Awaited<ReturnType<(typeof peers)[Name]>> };

const [name, argument = "{}"] = process.argv.slice(2);
const measure = (await peers[name as keyof Peers]()) as (argument: unknown) => Promise<object>;
const answer = await measure(JSON.parse(argument));
// On a line of its own, after the output of libraries.
process.stdout.write(`\n${JSON.stringify(answer)}\n`);
