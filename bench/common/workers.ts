/** Starts Workers in folders and processes that end with the measurement. */
import path from "node:path";
import { packsFolder, readLocalPack } from "../../cli/store/local-pack.ts";
import { withFolder } from "../../cli/store/project.ts";
import { buildOurs, seedPack } from "../../cli/workerd/bundle.ts";
import { DevWorker, type DevWorkerOptions } from "../../cli/workerd/dev-worker.ts";
import { defaultModelName } from "../../src/default-model.ts";

/** Runs `work` while a Worker runs in a fresh process. */
export async function withWorker<T>(
  options: DevWorkerOptions,
  work: (worker: DevWorker) => Promise<T>,
): Promise<T> {
  const worker = await DevWorker.start(options);
  try {
    return await work(worker);
  } finally {
    await worker.close();
  }
}

/**
 * Runs `work` while our Worker serves a pack from its own bucket. Builds the Worker unless a bundle is given.
 * @param packFolder folder of the pack; default: the pack of this repository
 */
export function withPackWorker<T>(
  { packFolder, ...options }: Partial<DevWorkerOptions> & { readonly packFolder?: string },
  work: (worker: DevWorker) => Promise<T>,
): Promise<T> {
  return withFolder(async (folder) => {
    const pack = packFolder ?? path.join(packsFolder, defaultModelName);
    const { manifest } = await readLocalPack(pack);
    const bundle = options.bundle ?? (await buildOurs(path.join(folder, "bundle")));
    const stateFolder = path.join(folder, "state");
    await seedPack(stateFolder, pack);
    const vars = { MODEL_NAME: manifest.name, ...options.vars };
    return withWorker({ ...options, bundle, stateFolder, vars }, work);
  });
}
