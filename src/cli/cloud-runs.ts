import { join } from "node:path";
import { CloudSync, ConfigError, openStore, type Store } from "../index.ts";
import { storeNamed } from "./cloud-store.ts";
import { createRunFolder, numberInRun, RUNS_FOLDER } from "./run-folders.ts";
import type { RunPlace } from "./train-place.ts";

/** Where the environment says that runs belong: `gs://bucket/project/runs`. */
export interface CloudRuns {
  readonly root: string;
}

/**
 * What CLOUD_PROVIDER and its companions say, as CloudSync.fromEnv reads them; null where they say nothing.
 *
 * @throws InvalidArgumentError for an unknown provider, and for one without its bucket
 */
export function cloudRunsOf(env: NodeJS.ProcessEnv = process.env): CloudRuns | null {
  if (!env["CLOUD_PROVIDER"] && !env["CLOUD_BUCKET"]) return null;
  const { url, project } = CloudSync.fromEnv(env, { log: false });
  return { root: [url, ...(project === "" ? [] : [project]), RUNS_FOLDER].join("/") };
}

/** A new run: on local disk first, under the same name in the cloud. No run of either place has that name. */
export async function newCloudPlace(
  { root }: CloudRuns,
  environment: string,
  local: string | undefined,
): Promise<RunPlace> {
  const numbers = (await listRuns(root)).map(({ name }) => numberInRun(environment, name) ?? 0);
  const folder = createRunFolder(environment, Math.max(0, ...numbers) + 1);
  return { store: `${root}/${nameOf(folder)}`, local: local ?? folder };
}

/**
 * The run to go on with: the one in the cloud that was written to last. Its folder on this machine is its first tier,
 * and comes into being where it is not there.
 *
 * @throws ConfigError where the cloud holds no run
 */
export async function newestCloudPlace(
  { root }: CloudRuns,
  environment: string | undefined,
  local: string | undefined,
): Promise<RunPlace> {
  const runs = (await listRuns(root)).filter(({ name }) =>
    environment === undefined ? /-\d+$/.test(name) : numberInRun(environment, name) !== null,
  );
  const newest = runs.sort((a, b) => a.writtenAtMs - b.writtenAtMs || (a.name < b.name ? -1 : 1)).at(-1);
  if (newest === undefined) {
    throw new ConfigError(
      `There is no run${environment === undefined ? "" : ` of ${environment}`} to resume at ${root}`,
      {
        hint: "Leave out --resume to start one, or name the store of one with --store.",
      },
    );
  }
  return { store: `${root}/${newest.name}`, local: local ?? join(RUNS_FOLDER, newest.name) };
}

interface CloudRun {
  readonly name: string;
  /** When its last checkpoint was made, by the store's clock. */
  readonly writtenAtMs: number;
}

async function listRuns(root: string): Promise<CloudRun[]> {
  const store = await opened(root);
  const runs = new Map<string, number>();
  try {
    for await (const { name, modifiedAtMs } of store.list("")) {
      const run = /^([^/]+)\/checkpoints\//.exec(name)?.[1];
      if (run !== undefined) runs.set(run, Math.max(runs.get(run) ?? 0, modifiedAtMs ?? 0));
    }
  } finally {
    await store.close?.();
  }
  return [...runs].map(([name, writtenAtMs]) => ({ name, writtenAtMs }));
}

async function opened(root: string): Promise<Store> {
  const store = await storeNamed(root);
  return typeof store === "string" ? openStore(store) : store;
}

function nameOf(folder: string): string {
  return folder.slice(RUNS_FOLDER.length + 1);
}
