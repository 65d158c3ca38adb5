/** Measures labelling without the rest of the benchmark, with the same model. */
import path from "node:path";
import { withFolder } from "../../cli/store/project.ts";
import { buildOurs, seedPack } from "../../cli/workerd/bundle.ts";
import { standIn } from "../stand-in/stand-in.ts";
import { type BucketResults, measureBucket } from "./measure.ts";

/** Builds the Worker, fills its buckets, and measures it. */
export function measureBucketAlone(): Promise<BucketResults> {
  return withFolder(async (folder) => {
    const { pack } = await standIn();
    const stateFolder = path.join(folder, "state");
    await seedPack(stateFolder, pack.folder);
    const bundle = await buildOurs(path.join(folder, "ours"));
    return measureBucket({ bundle, stateFolder, vars: { MODEL_NAME: pack.manifest.name } });
  });
}
