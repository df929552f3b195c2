import { fileURLToPath } from "node:url";
import { Checkpointer, ConfigError } from "../index.ts";
import { storeNamed } from "./cloud-store.ts";
import { plural, quoteForShell } from "./format.ts";
import type { SavedSettings, TrainFlags } from "./train-settings.ts";

/** Where a run lives. */
export interface RunPlace {
  readonly store: string;
  readonly local: string | undefined;
}

/** The folder on local disk that belongs to a run: its first tier, or its store where that is a folder; else null. */
export function localFolderOf({ store, local }: RunPlace): string | null {
  if (local !== undefined) return local;
  if (store.startsWith("file://")) return fileURLToPath(store);
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(store) ? null : store;
}

/**
 * The command that goes on with a run, as the person would type it: flags that win over a configuration file are
 * repeated. With another number of `generations`, one that trains on. Null where the run ends with its process.
 */
export type ResumeCommand = (generations?: number) => string | null;

export function createResumeCommand({ store, local }: RunPlace, flags: TrainFlags): ResumeCommand {
  const start = process.env["npm_lifecycle_event"] === "start" ? "npm start --" : "varve train";
  return (generations = flags.generations) => {
    if (local === undefined && isInMemory(store)) return null;
    const options = {
      "--store": store,
      "--local": local,
      "--generations": generations,
      "--save-every": flags.saveEvery,
      "--config": flags.config,
    };
    const words = Object.entries(options).flatMap(([name, value]) =>
      value === undefined ? [] : [name, String(value)],
    );
    return `${start} --resume ${words.map(quoteForShell).join(" ")}`;
  };
}

/** For the end of a message: how to go on, or that there is no way to. */
export function describeGoingOn(resume: ResumeCommand): string {
  const command = resume();
  return command === null ? IN_MEMORY : `Go on with: ${command}`;
}

/** Said instead of a command. */
export const IN_MEMORY = "Nothing is left to go on with: a memory:// store ends with its process";

/** Whether what is saved there ends with the process. */
export function isInMemory(store: string): boolean {
  return store.startsWith("memory://");
}

/**
 * Makes sure that a new run overwrites nothing.
 *
 * @throws ConfigError where checkpoints are there already, with both ways on
 */
export async function assertRunIsEmpty(
  checkpointer: Checkpointer,
  store: string,
  resume: ResumeCommand,
): Promise<void> {
  const checkpoints = await checkpointer.list();
  const newest = checkpoints.at(-1);
  if (newest === undefined) return;
  throw new ConfigError(
    `${store} already holds a run: ${plural(checkpoints.length, "checkpoint")}, the newest of step ${newest.step}`,
    { hint: `${describeGoingOn(resume)}\n  Or start a new run: give another --store, or none.` },
  );
}

/**
 * Reads what the checkpoint that is to be resumed says of its training, without changing anything.
 *
 * @returns the settings that the trainer saved in it
 * @throws ConfigError where the run holds no checkpoint; CheckpointNotFoundError where none has this step
 */
export async function readSavedSettings(place: RunPlace, step: number | undefined): Promise<SavedSettings> {
  // Silent: what it passes over is told when the run itself is restored.
  const reader = await Checkpointer.open({
    ...place,
    store: await storeNamed(place.store),
    readOnly: true,
    log: false,
  });
  try {
    const restored = await reader.restore({ step });
    if (restored !== null) return settingsIn(restored.state, place);
  } finally {
    await reader.close();
  }
  throw new ConfigError(`There is nothing to resume: ${place.store} holds no checkpoint`, {
    hint: "Leave out --resume to start the run there.",
  });
}

function settingsIn(state: unknown, place: RunPlace): SavedSettings {
  const { config, schedule } = (state ?? {}) as { config?: unknown; schedule?: object };
  const { environment } = (config ?? {}) as { environment?: unknown };
  if (typeof environment === "string") return { ...schedule, ...(config as SavedSettings) };
  throw new ConfigError(
    `${place.store} holds checkpoints of another program: they say nothing of the settings of varve train`,
  );
}
