import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { parseStrictJson } from "../base/strict-json.ts";
import { type CheckpointerOptions, ConfigError } from "../index.ts";

const DEFAULT_CONFIG_FILE = "varve.config.json";

const count = z.number().int().positive();

// Everything that is not named here is a setting of training, and checked where those are defined.
const ownSettings = z.looseObject({
  environment: z.string().optional(),
  store: z.string().min(1).optional(),
  local: z.string().min(1).optional(),
  capacity: count.optional(),
  dashboard: z.union([z.boolean(), z.number().int().min(0).max(65_535)]).optional(),
  tensorboard: z.string().min(1).optional(),
  checkpoints: z
    .strictObject({
      keepLast: count.optional(),
      keepEvery: count.optional(),
      keepBest: z.strictObject({ metric: z.string(), mode: z.enum(["max", "min"]), count }).optional(),
      gracePeriodMs: z.number().min(0).optional(),
      concurrency: count.optional(),
      maxUploadBytesPerSecond: count.optional(),
      maxPinnedBytes: count.optional(),
      onBacklog: z.enum(["coalesce", "queue", "skip"]).optional(),
      onMemoryPressure: z.enum(["wait", "abandon"]).optional(),
    })
    .optional(),
});

/** Retention and limits: what may differ from one start of a run to the next. */
export type CheckpointSettings = Pick<
  CheckpointerOptions,
  | "keepLast"
  | "keepEvery"
  | "keepBest"
  | "gracePeriodMs"
  | "concurrency"
  | "maxUploadBytesPerSecond"
  | "maxPinnedBytes"
  | "onBacklog"
  | "onMemoryPressure"
>;

/** The content of `varve.config.json`. */
export interface ConfigFile {
  readonly path: string | null;
  readonly environment: string | undefined;
  readonly store: string | undefined;
  readonly local: string | undefined;
  readonly capacity: number | undefined;
  /** Whether a dashboard is served, or at which port. */
  readonly dashboard: boolean | number | undefined;
  /** The folder for event files. */
  readonly tensorboard: string | undefined;
  readonly checkpoints: CheckpointSettings;
  /** Settings of training, as `TrainConfig` names them, of any depth; not checked yet. */
  readonly training: Readonly<Record<string, unknown>>;
}

/**
 * Reads the configuration file.
 *
 * @param path - undefined for `varve.config.json` of the current folder, which need not exist
 * @throws ConfigError naming the file and every setting that is wrong
 */
export function readConfigFile(path: string | undefined): ConfigFile {
  const file = path ?? DEFAULT_CONFIG_FILE;
  const isAbsent = path === undefined && !existsSync(file);
  const parsed = ownSettings.safeParse(isAbsent ? {} : parseJson(file));
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "file"}: ${issue.message}`);
    throw new ConfigError(`The configuration in ${file} is wrong: ${problems.join("; ")}`);
  }
  const { environment, store, local, capacity, dashboard, tensorboard, checkpoints = {}, ...training } = parsed.data;
  return {
    path: isAbsent ? null : file,
    environment,
    store,
    local,
    capacity,
    dashboard,
    tensorboard,
    checkpoints,
    training,
  };
}

/** Settings nest three levels deep; environments may have options of their own. */
const MAX_DEPTH = 32;

/** Strictly: of a setting that is given twice, a person would look at the other one. */
function parseJson(file: string): unknown {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new ConfigError(`Cannot read the configuration file ${file}: ${(cause as Error).message}`, { cause });
  }
  try {
    return parseStrictJson(bytes, MAX_DEPTH);
  } catch (cause) {
    throw new ConfigError(`The configuration file ${file} is not JSON: ${(cause as Error).message}`, { cause });
  }
}
