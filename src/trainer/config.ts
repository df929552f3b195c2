import { z } from "zod";
import { ConfigError } from "../index.ts";
import { DEFAULTS } from "./config-defaults.ts";
import type { TrainConfig } from "./contract.ts";

const count = z.int().min(1);
const fraction = z.number().min(0).max(1);
const amount = z.number().min(0);

const schema = z
  .strictObject({
    environment: z.string(),
    environmentOptions: z.record(z.string(), z.json()),
    seed: z.int(),
    generations: count,
    population: count,
    learning: z.enum(["population", "learner"]),
    algorithm: z.enum(["ddpg", "td3"]),
    hiddenSizes: z.array(count).min(1),
    episodesPerAgent: count,
    buffer: z.strictObject({
      capacity: count,
      learningStarts: z.int().min(0),
      prioritized: z.strictObject({ alpha: fraction, beta: fraction }).nullable(),
    }),
    learner: z.strictObject({
      batchSize: count,
      batchesPerStep: count,
      stepsPerGeneration: z.int().min(0),
      updateRatio: amount,
      gamma: fraction,
      tau: fraction,
      rewardScale: z.number().positive(),
      actorLearningRate: amount,
      criticLearningRate: amount,
      weightDecay: amount,
      policyDelay: count,
      targetNoise: amount,
      targetNoiseClip: amount,
    }),
    exploration: z.strictObject({ noise: amount, decay: fraction, floor: amount }),
    evolution: z.strictObject({
      eliteFraction: fraction,
      offspringFraction: fraction,
      tournamentSize: count,
      crossover: z.enum(["blend", "swap"]),
      blendLow: fraction,
      blendHigh: fraction,
      mutationRate: fraction,
      mutationStrength: amount,
      mutationFraction: fraction,
      superMutation: fraction,
      resetMutation: fraction,
      syncEvery: count,
    }),
    validationEpisodes: z.int().min(0),
    championEpisodes: count,
    saveEvery: count,
  })
  .refine((config) => config.buffer.learningStarts <= config.buffer.capacity, {
    path: ["buffer", "learningStarts"],
    message: "must not be above buffer.capacity, or learning never starts",
  })
  .refine((config) => config.learner.batchSize <= config.buffer.capacity, {
    path: ["learner", "batchSize"],
    message: "must not be above buffer.capacity, or learning never starts",
  })
  .refine((config) => config.evolution.eliteFraction + config.evolution.offspringFraction <= 1 + 1e-9, {
    path: ["evolution", "offspringFraction"],
    message: "must leave room for the elites: the two fractions add up to more than 1",
  })
  .refine((config) => config.evolution.blendLow <= config.evolution.blendHigh, {
    path: ["evolution", "blendLow"],
    message: "must not be above evolution.blendHigh",
  });

/**
 * The settings that an environment was tuned with.
 *
 * @throws ConfigError when there are none for `environment`
 */
export function defaultConfig(environment: string): TrainConfig {
  const config = Object.hasOwn(DEFAULTS, environment) ? DEFAULTS[environment] : undefined;
  if (config !== undefined) return config;
  throw new ConfigError(`There is no environment "${environment}"; there are: ${Object.keys(DEFAULTS).join(", ")}`);
}

/**
 * Checks a configuration: the defaults of `environment`, with each of `overrides` laid over them in turn.
 *
 * @param overrides - of any depth, such as the content of a file, then flags; `undefined` leaves a value as it is,
 *   and `environmentOptions` and arrays are replaced as a whole
 * @throws ConfigError naming every setting that is unknown or out of range
 */
export function parseConfig(environment: string, ...overrides: readonly unknown[]): TrainConfig {
  let merged: unknown = defaultConfig(environment);
  for (const override of overrides) merged = merge(merged, override);
  const parsed = schema.safeParse(merged);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "configuration"}: ${issue.message}`);
    throw new ConfigError(`The configuration is wrong: ${problems.join("; ")}`);
  }
  if (parsed.data.environment !== environment) {
    throw new ConfigError(
      `The configuration is wrong: environment: expected "${environment}", got "${parsed.data.environment}"`,
    );
  }
  return parsed.data;
}

function merge(base: unknown, override: unknown): unknown {
  if (override === undefined) return base;
  if (!isPlainObject(base) || !isPlainObject(override)) return override;
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(override)) {
    result[key] = key === "environmentOptions" && value !== undefined ? value : merge(base[key], value);
  }
  return result;
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a checkpoint holds may be anything that a state can hold, bigints among it. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? `${each}n` : each)) ?? "absent";
}

/** What a resumed run may change: it decides how long the run is and what is seen of it, not what it computes. */
const CHANGEABLE: ReadonlySet<string> = new Set(["generations", "saveEvery", "championEpisodes"]);

/** The settings that a resumed run may change. */
export function scheduleOf(config: TrainConfig): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(config).filter(([key]) => CHANGEABLE.has(key)));
}

/** The settings that decide what a run computes: those that a resumed run must share. */
export function fixedSettings(config: TrainConfig): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !CHANGEABLE.has(key)));
}

/**
 * Names what differs between the settings of a checkpoint and the present ones, leaving out what may change.
 *
 * @returns lines such as "learner.gamma: 0.99 in the checkpoint, 0.9 now"
 */
export function diffConfig(saved: unknown, current: unknown, path = ""): readonly string[] {
  if (path === "" || (isPlainObject(saved) && isPlainObject(current))) {
    const before = isPlainObject(saved) ? saved : {};
    const after = isPlainObject(current) ? current : {};
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => {
      if (path === "" && CHANGEABLE.has(key)) return [];
      return diffConfig(before[key], after[key], path === "" ? key : `${path}.${key}`);
    });
  }
  const [was, is] = [textOf(saved), textOf(current)];
  return was === is ? [] : [`${path}: ${was} in the checkpoint, ${is} now`];
}
