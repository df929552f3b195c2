import { ConfigError, type FieldSpec, type FieldsDeclaration } from "../index.ts";
import type { NpzArray } from "./npz-reader.ts";

/** Names that replay buffers give to what every transition has, by our own name for it. */
const NAMES = {
  observation: ["observation", "observations", "obs", "states"],
  nextObservation: ["nextObservation", "next_observation", "next_observations", "next_obs", "next_states"],
  action: ["action", "actions", "acts"],
  reward: ["reward", "rewards", "rews"],
  terminated: ["terminated", "terminations", "terminals", "terminal"],
  truncated: ["truncated", "truncations", "timeouts"],
  done: ["done", "dones"],
  env: ["env", "envs", "env_ids"],
} as const;

type Role = keyof typeof NAMES;

/** Columns of ours that a buffer makes by itself. */
const MADE_ANEW = new Set(["episodeStart", "priority.scaled", "indices", "weights"]);
/** What a buffer numbers environments up to. */
export const MAX_ENV = 65_535;

const FIELD_NAME = /^[A-Za-z0-9_]{1,64}$/;

/** How the arrays of a file become transitions. */
export interface ImportColumns {
  readonly fields: FieldsDeclaration;
  readonly transitions: number;
  /** Environments that the second axis of every array counts; 1 where there is no such axis. */
  readonly envs: number;
  readonly observations: readonly { readonly field: string | null; readonly now: NpzArray; readonly next: NpzArray }[];
  readonly action: NpzArray;
  readonly reward: NpzArray;
  /** Null where `done` says it. */
  readonly terminated: NpzArray | null;
  readonly truncated: NpzArray | null;
  readonly done: NpzArray | null;
  readonly env: NpzArray | null;
  readonly extras: readonly NpzArray[];
  /** Arrays that are not taken, and why. */
  readonly leftOut: readonly string[];
}

/**
 * Finds the usual fields of a replay buffer among the arrays of a file.
 *
 * @param frames - how many frames a window observation has, by field; under "" for the only one
 * @throws ConfigError naming what is missing, there twice, or of another length
 */
export function findColumns(arrays: readonly NpzArray[], frames: ReadonlyMap<string, number>): ImportColumns {
  const reward = needed(arrays, "reward");
  const now = observationsOf(arrays, "observation");
  const next = observationsOf(arrays, "nextObservation");
  const action = needed(arrays, "action");
  const axes = rowAxes(reward, [...now.values(), ...next.values(), action]);
  const terminated = only(arrays, "terminated");
  const done = only(arrays, "done");
  if (terminated === null && done === null) throw missing("terminated", arrays);
  const flags = { terminated, truncated: only(arrays, "truncated"), done, env: only(arrays, "env") };
  const used = new Set([reward, action, ...now.values(), ...next.values(), ...Object.values(flags)]);
  const rest = arrays.filter((array) => !used.has(array));
  const extras = rest.filter((array) => isExtra(array, axes));
  for (const array of [...used, ...extras]) if (array !== null) assertRows(array, axes);
  for (const array of [reward, ...Object.values(flags)]) if (array !== null) assertScalar(array, axes);
  const observations = pairObservations(now, next);
  return {
    fields: declare(observations, action, extras, axes, frames),
    transitions: axes.reduce((product, axis) => product * axis, 1),
    envs: axes[1] ?? 1,
    ...{ observations, action, reward, ...flags, extras },
    leftOut: rest.filter((array) => !extras.includes(array)).map((array) => whyLeftOut(array, axes)),
  };
}

/** Whether an array of this name says something that every transition has, or may have. */
export function isUsualName(name: string): boolean {
  const base = /^([A-Za-z_]+)[./]/.exec(name)?.[1];
  const observations: readonly string[] = [...NAMES.observation, ...NAMES.nextObservation];
  const usual: readonly string[] = Object.values(NAMES).flat();
  return usual.includes(name) || (base !== undefined && observations.includes(base));
}

function only(arrays: readonly NpzArray[], role: Role): NpzArray | null {
  const found = arrays.filter(({ name }) => (NAMES[role] as readonly string[]).includes(name));
  if (found.length > 1) {
    throw new ConfigError(`Expected one array for ${role}, got ${found.map(({ name }) => `"${name}"`).join(" and ")}`);
  }
  return found[0] ?? null;
}

function needed(arrays: readonly NpzArray[], role: Role): NpzArray {
  const found = only(arrays, role);
  if (found === null) throw missing(role, arrays);
  return found;
}

function missing(role: Role, arrays: readonly NpzArray[]): ConfigError {
  const names = role === "terminated" ? [...NAMES.terminated, ...NAMES.done] : NAMES[role];
  const hasIds = arrays.some(({ name }) => name.startsWith("ids."));
  return new ConfigError(
    `No array is called ${names.join(", ")}; there are: ${arrays.map(({ name }) => name).join(", ") || "none"}`,
    {
      hint: hasIds
        ? "It was exported with --frames. Export it without, and import that."
        : `Rename the array that holds ${role} to "${names[0]}", or add one.`,
    },
  );
}

/** One array, or a record of them: `observation.camera`, `next_obs/camera`. By field, null for the only one. */
function observationsOf(arrays: readonly NpzArray[], role: "observation" | "nextObservation"): Map<string, NpzArray> {
  const single = only(arrays, role);
  const record = new Map<string, NpzArray>();
  for (const array of arrays) {
    const [, base = "", field = ""] = /^([A-Za-z_]+)[./](.+)$/.exec(array.name) ?? [];
    if (!(NAMES[role] as readonly string[]).includes(base) || !FIELD_NAME.test(field)) continue;
    if (record.has(field)) throw new ConfigError(`Expected one array for ${role} "${field}", got "${array.name}" too`);
    record.set(field, array);
  }
  if (single !== null && record.size > 0) {
    throw new ConfigError(`"${single.name}" and "${[...record.values()][0]?.name}" both say what ${role} is`);
  }
  if (single !== null) return new Map([["", single]]);
  if (record.size === 0) throw missing(role, arrays);
  return record;
}

/**
 * The leading axes that count transitions: [n], or [n, envs] as Stable-Baselines3 stores them. A reward of [n, 1] may be
 * either; it is the latter where everything has that axis.
 */
function rowAxes(reward: NpzArray, others: readonly NpzArray[]): readonly number[] {
  const [rows, envs] = reward.shape;
  if (rows === undefined || reward.shape.length > 2) {
    throw new ConfigError(`Expected "${reward.name}" to have the shape [n] or [n, envs], got ${shown(reward.shape)}`);
  }
  if (envs === undefined) return [rows];
  const haveAxis = others.every(({ shape }) => shape[1] === envs);
  if (haveAxis && envs > MAX_ENV + 1) {
    throw new ConfigError(`Expected "${reward.name}" to have at most ${MAX_ENV + 1} environments, got ${envs}`);
  }
  if (haveAxis) return [rows, envs];
  if (envs === 1) return [rows];
  throw new ConfigError(`"${reward.name}" has ${envs} environments ${shown(reward.shape)}, other arrays have not`);
}

function assertRows({ name, shape }: NpzArray, axes: readonly number[]): void {
  if (axes.every((length, axis) => shape[axis] === length)) return;
  throw new ConfigError(
    `Expected "${name}" to begin with the axes ${shown(axes)}, as the rewards do, got ${shown(shape)}`,
  );
}

/** One value a transition, also as [n, 1]. */
function assertScalar({ name, shape }: NpzArray, axes: readonly number[]): void {
  if (shape.slice(axes.length).every((length) => length === 1)) return;
  throw new ConfigError(`Expected "${name}" to have one value for each transition, got the shape ${shown(shape)}`);
}

function isExtra({ name, shape }: NpzArray, axes: readonly number[]): boolean {
  return FIELD_NAME.test(name) && !MADE_ANEW.has(name) && axes.every((length, axis) => shape[axis] === length);
}

function whyLeftOut({ name, shape }: NpzArray, axes: readonly number[]): string {
  if (MADE_ANEW.has(name)) return `${name}: made anew`;
  if (!FIELD_NAME.test(name)) return `${name}: names of fields are of letters, digits and _`;
  return `${name}: its shape ${shown(shape)} does not begin with ${shown(axes)}`;
}

function pairObservations(
  now: ReadonlyMap<string, NpzArray>,
  next: ReadonlyMap<string, NpzArray>,
): ImportColumns["observations"] {
  const fields = [...now.keys()];
  if (fields.toSorted().join() !== [...next.keys()].toSorted().join()) {
    throw new ConfigError(
      `Observations have the fields ${fields.join(", ")}, next ones ${[...next.keys()].join(", ")}`,
    );
  }
  return fields.map((field) => {
    const [own, following] = [now.get(field) as NpzArray, next.get(field) as NpzArray];
    if (own.dtype !== following.dtype || own.shape.join() !== following.shape.join()) {
      throw new ConfigError(
        `"${own.name}" is ${own.dtype} ${shown(own.shape)}, "${following.name}" ${following.dtype} ${shown(following.shape)}`,
      );
    }
    return { field: field === "" ? null : field, now: own, next: following };
  });
}

function declare(
  observations: ImportColumns["observations"],
  action: NpzArray,
  extras: readonly NpzArray[],
  axes: readonly number[],
  frames: ReadonlyMap<string, number>,
): FieldsDeclaration {
  const plain = ({ dtype, shape }: NpzArray): FieldSpec => ({ dtype, shape: shape.slice(axes.length) });
  const observed = observations.map(({ field, now }): readonly [string, FieldSpec] => {
    const count = frames.get(field ?? "");
    return [field ?? "", count === undefined ? plain(now) : { ...plain(now), frames: count }];
  });
  const known = observed.map(([field]) => field);
  for (const field of frames.keys()) {
    if (known.includes(field)) continue;
    throw noFramesOf(field, known);
  }
  for (const { field, now } of observations) assertWindow(now, frames.get(field ?? ""), axes);
  const single = observed[0]?.[0] === "" ? observed[0][1] : undefined;
  return {
    observation: single ?? Object.fromEntries(observed),
    action: plain(action),
    ...Object.fromEntries(extras.map((array) => [array.name, plain(array)])),
  };
}

/** @param known - fields of the observation; "" alone where it is one array */
function noFramesOf(field: string, known: readonly string[]): ConfigError {
  const names = known.join(", ");
  if (known[0] === "") {
    return new ConfigError(`There is no observation field "${field}" to have frames: the observation is one array`, {
      hint: "Give the number alone: --frames 4.",
    });
  }
  if (field !== "") {
    return new ConfigError(`There is no observation field "${field}" to have frames; there are: ${names}`);
  }
  return new ConfigError(`The observation is a record, so frames need a field; there are: ${names}`, {
    hint: `Name it: --frames ${known[0]}=4.`,
  });
}

/** The axis of frames is the first behind those that count transitions. */
function assertWindow({ name, shape }: NpzArray, count: number | undefined, axes: readonly number[]): void {
  if (count === undefined) return;
  const own = shape.slice(axes.length);
  if (own[0] !== undefined && count > 0 && own[0] % count === 0) return;
  throw new ConfigError(
    `"${name}" cannot be windows of ${count} frames: an observation has the shape ${shown(own)}, ` +
      (own[0] === undefined ? "and no axis of frames" : `whose first axis is no multiple of ${count}`),
    { hint: "Give --frames as many as the first axis stacks, or leave it out: then observations are stored whole." },
  );
}

function shown(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
