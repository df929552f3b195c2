import { ConfigError } from "../index.ts";
import { defaultConfig, diffConfig, parseConfig } from "../trainer/config.ts";
import type { TrainConfig } from "../trainer/contract.ts";
import type { ConfigFile } from "./config-file.ts";

/** What `varve train` takes on its command line; undefined where it was not given. */
export interface TrainFlags {
  readonly generations?: number;
  readonly population?: number;
  readonly seed?: number;
  readonly saveEvery?: number;
  readonly capacity?: number;
  readonly store?: string;
  readonly local?: string;
  readonly resume?: boolean;
  readonly step?: number;
  readonly config?: string;
  readonly stopWithin?: number;
  /** What to do when another process takes the run over. */
  readonly onFenced?: "continue" | "stop";
  /** With a port, or any that is free. */
  readonly dashboard?: boolean | number;
  /** The folder that event files go to. */
  readonly tensorboard?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const DEFAULT_ENVIRONMENT = "market";

/** Share of the buffer after which learning starts, where a smaller --capacity leaves the usual start out of reach. */
const LEARNING_START_SHARE = 0.25;

/**
 * The settings of a new run: the environment's defaults, then the file, then the flags.
 *
 * @throws ConfigError naming what is unknown or out of range, and the file where it comes from one
 */
export function settingsOfNewRun(environment: string | undefined, flags: TrainFlags, file: ConfigFile): TrainConfig {
  const name = environment ?? file.environment ?? DEFAULT_ENVIRONMENT;
  const base = parseFile(name, defaultConfig(name), file);
  return parseConfig(name, base, flagSettings(flags, base));
}

/**
 * The settings of a resumed run: those of its checkpoint. File and flags may repeat them, and may change those that do
 * not decide what the run computes (`generations`, `saveEvery`, `championEpisodes`).
 *
 * @throws ConfigError naming each setting that differs
 */
export function settingsOfResumedRun(
  saved: SavedSettings,
  environment: string | undefined,
  flags: TrainFlags,
  file: ConfigFile,
): TrainConfig {
  const asked = environment ?? file.environment ?? saved.environment;
  const base = parseFile(saved.environment, parseConfig(saved.environment, saved), file);
  const config = parseConfig(saved.environment, base, flagSettings(flags, base));
  const differences = diffConfig(saved, { ...config, environment: asked });
  if (differences.length === 0) return config;
  throw new ConfigError(`The run cannot go on with other settings: ${differences.join("; ")}`, {
    hint: `Leave ${file.path === null ? "them" : `them, also in ${file.path},`} as they were, or start a new run with another --store.`,
  });
}

/** The settings that a checkpoint holds. Older ones lack those that do not decide what the run computes. */
export type SavedSettings = Readonly<Record<string, unknown>> & { readonly environment: string };

/** The file is checked before the flags, so that a mistake in it is told as its own. */
function parseFile(environment: string, base: TrainConfig, file: ConfigFile): TrainConfig {
  const { learningStarts } = (file.training["buffer"] ?? {}) as { learningStarts?: unknown };
  const buffer = capacitySettings(file.capacity, base, learningStarts !== undefined);
  try {
    return parseConfig(environment, base, file.training, buffer);
  } catch (error) {
    if (file.path === null || !(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${file.path}: ${error.message}`, { cause: error, hint: error.hint });
  }
}

function flagSettings(flags: TrainFlags, base: TrainConfig): Readonly<Record<string, unknown>> {
  const { generations, population, seed, saveEvery } = flags;
  return { generations, population, seed, saveEvery, ...capacitySettings(flags.capacity, base, false) };
}

function capacitySettings(
  capacity: number | undefined,
  base: TrainConfig,
  keepsStart: boolean,
): Readonly<Record<string, unknown>> {
  if (capacity === undefined) return {};
  const isOutOfReach = base.buffer.learningStarts > capacity && !keepsStart;
  const learningStarts = isOutOfReach ? Math.max(1, Math.floor(capacity * LEARNING_START_SHARE)) : undefined;
  return { buffer: { capacity, learningStarts } };
}
