/** Checks where `npm run deploy` puts the Worker, whether the Cache API works there, and who may call it. */
import { readProtection, servingOf } from "../store/deployment.ts";
import { type ProjectConfig, readProjectConfig } from "../store/platform-config.ts";
import { loadProjectEnv, type RunWrangler, runWrangler } from "../store/wrangler-cli.ts";
import { environmentsWithInheritedRoutes, misplacedSettings } from "../store/wrangler-toml.ts";
import { broken, brokenBy, type Finding, ok, type Target, warning } from "./finding.ts";

/**
 * Checks wrangler.toml, and asks the account for API keys on request.
 * @throws CommandError when wrangler.toml is not valid
 */
export async function checkDeployment(
  { folder, remote }: Target,
  run: RunWrangler = runWrangler,
): Promise<Finding[]> {
  const findings = await deploymentFindings(readProjectConfig(folder), folder);
  const access = remote
    ? await protectionFinding(run).catch((error) => brokenBy(error))
    : ok("npm run doctor -- --remote shows whether the deployed Worker has API keys");
  return [...findings, access];
}

/**
 * Returns the settings that wrangler would ignore, the environments that would take production's domain, and where the
 * Worker will answer.
 * @param environment the one that is deployed
 */
export async function deploymentFindings(
  project: ProjectConfig,
  folder?: string,
  environment?: string,
): Promise<Finding[]> {
  const misplaced = (await misplacedSettings(folder)).map((setting) =>
    broken(
      `${setting} in wrangler.toml is not a setting that wrangler knows: it would ignore the line`,
      setting.includes(".")
        ? "move the line above the first [table] if it is a setting of the Worker, or remove it"
        : "correct its name, or remove it",
    ),
  );
  const inheriting = environmentsWithInheritedRoutes(folder).map((name) => {
    const what = `env.${name} in wrangler.toml has no routes, so it inherits those of production: deploying it would move production's domain to it`;
    const fix = `add routes = [] below [env.${name}] for workers.dev, or routes with a domain of its own`;
    return name === environment ? broken(what, fix) : warning(what, fix);
  });
  return [...misplaced, ...inheriting, ...servingFindings(project)];
}

function servingFindings(project: ProjectConfig): Finding[] {
  const { hosts, workersDev } = servingOf(project);
  if (hosts.length === 0) {
    if (!workersDev) return [ok("no public address: only other Workers can call, through service bindings")];
    return [
      ok(
        `serves ${project.name}.<your subdomain>.workers.dev, where the Cache API has no effect: uncomment routes in wrangler.toml for a domain of yours`,
      ),
    ];
  }
  const served = `serves ${hosts.join(", ")}; the Cache API works there, unless Cloudflare Access protects it`;
  const twice = warning(
    "the Worker is public on workers.dev too, where the Cache API has no effect",
    "remove workers_dev = true from wrangler.toml",
  );
  return workersDev ? [ok(served), twice] : [ok(served)];
}

async function protectionFinding(run: RunWrangler): Promise<Finding> {
  loadProjectEnv();
  switch (await readProtection((args) => run(args, "capture"))) {
    case "keys":
      return ok("the deployed Worker needs an API key");
    case "not deployed":
      return ok("the Worker is not deployed yet: the first npm run deploy creates an API key");
    case "open":
      return warning(
        "the deployed Worker has no API keys: everyone who knows its address may call",
        "npm run deploy -- --create-key",
      );
  }
}
