/** Creates what labelling a bucket needs in the user's Cloudflare account. Every step can be repeated. */
import { readProjectConfig } from "../store/platform-config.ts";
import { type RunWrangler, requireLogin, runWrangler, wranglerFailure } from "../store/wrangler-cli.ts";
import { CommandError } from "../terminal/fail.ts";
import { defaultName, picturesConfig } from "./local.ts";

/** The wrangler commands, in order. */
export interface SetupPlan {
  readonly steps: readonly string[][];
  /** The commands and what to do with wrangler.toml. */
  readonly text: string;
  readonly isEnabled: boolean;
  readonly bucket: string;
}

/** Returns the commands for the names in wrangler.toml. */
export async function setupPlan(config = readProjectConfig()): Promise<SetupPlan> {
  const { isEnabled, bucket, database } = picturesConfig(config);
  const queue =
    config.queues.producers?.find(({ binding }) => binding === "PICTURES_QUEUE")?.queue ?? defaultName;
  const steps = [
    ["r2", "bucket", "create", bucket],
    ["queues", "create", queue],
    ["queues", "create", `${queue}-dead`],
    ["d1", "create", database],
    ["d1", "migrations", "apply", "PICTURES_DB", "--remote"],
    [
      "r2",
      "bucket",
      "notification",
      "create",
      bucket,
      "--event-types",
      "object-create",
      "object-delete",
      "--queue",
      queue,
    ],
  ];
  const lines = steps.map((step) => `npx wrangler ${step.join(" ")}`);
  const text = `${lines.slice(0, 4).join("\n")}
# uncomment the blocks of PICTURES in wrangler.toml, and set database_id to the id that \`d1 create\` prints
${lines.slice(4).join("\n")}
# then deploy, and label what is in the bucket already
npm run deploy
npm run bucket -- label --remote`;
  return { steps, text, isEnabled, bucket };
}

/**
 * Runs the commands. What exists already is kept. Stops before the migrations if wrangler.toml does not bind the database.
 * @throws CommandError when a command fails
 */
export async function runSetup(
  { steps, isEnabled, bucket }: SetupPlan,
  say: (line: string) => void,
  run: RunWrangler = runWrangler,
): Promise<void> {
  await requireLogin(run);
  for (const step of steps) {
    if (step[1] === "migrations" && !isEnabled) {
      throw new CommandError("wrangler.toml does not bind PICTURES_DB yet", {
        fix: "uncomment the blocks of PICTURES, set database_id to the id above (npx wrangler d1 list), and run this again",
      });
    }
    say(`$ npx wrangler ${step.join(" ")}`);
    if (step[2] === "notification" && (await hasRule(bucket, step.at(-1)!, run))) {
      say("  already there");
      continue;
    }
    const { code, stdout, stderr } = await run(step, "capture", { CI: "1" });
    const output = `${stdout}\n${stderr}`;
    if (code === 0) say(indented(stdout));
    else if (/already (exists|taken|in use)|\b(10004|11009|7502)\b/i.test(output)) say("  already there");
    else throw wranglerFailure(output, `wrangler ${step.join(" ")} failed`, "fix that and run this again");
  }
  say("next: npm run deploy, then npm run bucket -- label --remote");
}

/** Whether the bucket already sends its notifications to the queue. */
async function hasRule(bucket: string, queue: string, run: RunWrangler): Promise<boolean> {
  const { code, stdout } = await run(["r2", "bucket", "notification", "list", bucket], "capture");
  return code === 0 && stdout.split(/\s+/).includes(queue);
}

function indented(text: string): string {
  return text.trim().replaceAll(/^/gm, "  ");
}
