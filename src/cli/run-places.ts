import { cloudRunsOf, newCloudPlace, newestCloudPlace } from "./cloud-runs.ts";
import type { ConfigFile } from "./config-file.ts";
import { createRunFolder, newestRunFolder } from "./run-folders.ts";
import type { RunPlace } from "./train-place.ts";
import type { TrainFlags } from "./train-settings.ts";

type Named = Pick<TrainFlags, "store" | "local">;

/** Whether neither flags nor file say where the run lives: it then gets a folder of its own. */
export function isUnnamed(flags: Named, file: Pick<ConfigFile, "store">): boolean {
  return (flags.store ?? file.store) === undefined;
}

/** Where a new run goes: what was named, else where the environment says (CLOUD_PROVIDER), else a new folder. */
export async function placeOfNewRun(environment: string, flags: Named, file: ConfigFile): Promise<RunPlace> {
  const local = flags.local ?? file.local;
  const named = flags.store ?? file.store;
  if (named !== undefined) return { store: named, local };
  const cloud = cloudRunsOf();
  return cloud === null ? { store: createRunFolder(environment), local } : newCloudPlace(cloud, environment, local);
}

/** @throws ConfigError where there is no run to go on with */
export async function placeOfResumedRun(
  environment: string | undefined,
  flags: Named,
  file: ConfigFile,
): Promise<RunPlace> {
  const local = flags.local ?? file.local;
  const named = flags.store ?? file.store;
  if (named !== undefined) return { store: named, local };
  const wanted = environment ?? file.environment;
  const cloud = cloudRunsOf();
  return cloud === null ? { store: newestRunFolder(wanted), local } : newestCloudPlace(cloud, wanted, local);
}
