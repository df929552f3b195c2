import { type Clock, systemClock } from "../base/clock.ts";
import { type IdSource, randomId } from "../base/ids.ts";
import { InvalidArgumentError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import type { RetryPolicy } from "../transfer/retry.ts";
import type { RetentionOptions } from "./messages.ts";
import type { BacklogPolicy, CheckpointerOptions, MemoryPolicy } from "./options.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const MIB = 1024 * 1024;

const KNOWN: ReadonlySet<string> = new Set<keyof CheckpointerOptions>([
  "store",
  "local",
  "readOnly",
  "keepLast",
  "keepEvery",
  "keepBest",
  "gracePeriodMs",
  "concurrency",
  "maxUploadBytesPerSecond",
  "retry",
  "closeTimeoutMs",
  "saveOnPreemption",
  "sendMissing",
  "onBacklog",
  "onMemoryPressure",
  "maxPinnedBytes",
  "log",
  "signal",
  "clock",
  "newId",
]);

/** Options with every default filled in. */
export interface CheckedOptions {
  readonly store: string | Store;
  readonly local: string | undefined;
  readonly log: NonNullable<CheckpointerOptions["log"]>;
  readonly readOnly: boolean;
  readonly retention: RetentionOptions;
  readonly concurrency: number;
  readonly maxUploadBytesPerSecond: number | null;
  readonly retry: Partial<RetryPolicy> | undefined;
  readonly closeTimeoutMs: number | undefined;
  readonly saveOnPreemption: CheckpointerOptions["saveOnPreemption"];
  readonly sendMissing: boolean;
  readonly onBacklog: BacklogPolicy;
  readonly onMemoryPressure: MemoryPolicy;
  readonly maxPinnedBytes: number;
  readonly signal: AbortSignal | undefined;
  readonly clock: Clock;
  readonly newId: IdSource;
}

/** @throws InvalidArgumentError before anything is opened */
export function checkOptions(options: CheckpointerOptions): CheckedOptions {
  if (typeof options !== "object" || options === null) {
    throw new InvalidArgumentError("options", "an object with `store`", options);
  }
  for (const key of Object.keys(options)) {
    if (!KNOWN.has(key)) throw new InvalidArgumentError("options", `one of ${[...KNOWN].join(", ")}`, key);
  }
  const { store, local, log = false, keepBest, saveOnPreemption } = options;
  if (typeof store !== "string" && (typeof store !== "object" || store === null || typeof store.put !== "function")) {
    throw new InvalidArgumentError("store", "a store URL such as ./checkpoints/run-1, or a Store", store);
  }
  if (local !== undefined && (typeof local !== "string" || local === "")) {
    throw new InvalidArgumentError("local", "a folder", local);
  }
  if (log !== false && log !== "stderr" && typeof log !== "function") {
    throw new InvalidArgumentError("log", 'false, "stderr" or a function', log);
  }
  checkSaveOnPreemption(options);
  if (keepBest !== undefined) checkKeepBest(keepBest);
  return {
    store,
    local,
    log,
    readOnly: options.readOnly ?? false,
    retention: {
      keepLast: optionalCount("keepLast", options.keepLast),
      keepEvery: optionalCount("keepEvery", options.keepEvery),
      keepBest: keepBest ?? null,
      gracePeriodMs: number("gracePeriodMs", options.gracePeriodMs ?? DAY_MS, 0),
    },
    concurrency: number("concurrency", options.concurrency ?? 4, 1),
    maxUploadBytesPerSecond: optionalCount("maxUploadBytesPerSecond", options.maxUploadBytesPerSecond),
    retry: options.retry === undefined ? undefined : checkRetry(options.retry),
    closeTimeoutMs:
      options.closeTimeoutMs === undefined ? undefined : duration("closeTimeoutMs", options.closeTimeoutMs),
    saveOnPreemption,
    sendMissing: options.sendMissing ?? true,
    onBacklog: oneOf<BacklogPolicy>("onBacklog", options.onBacklog ?? "coalesce", ["coalesce", "queue", "skip"]),
    onMemoryPressure: oneOf<MemoryPolicy>("onMemoryPressure", options.onMemoryPressure ?? "wait", ["wait", "abandon"]),
    maxPinnedBytes: number("maxPinnedBytes", options.maxPinnedBytes ?? 256 * MIB, 1),
    signal: options.signal,
    clock: options.clock ?? systemClock,
    newId: options.newId ?? randomId,
  };
}

function checkSaveOnPreemption({ saveOnPreemption: given, readOnly = false }: CheckpointerOptions): void {
  if (given === undefined || (typeof given === "function" && !readOnly)) return;
  const expected = "a function, of a run that is not opened readOnly";
  throw new InvalidArgumentError("saveOnPreemption", expected, readOnly ? "readOnly" : given);
}

function checkKeepBest(keepBest: NonNullable<CheckpointerOptions["keepBest"]>): void {
  if (typeof keepBest.metric !== "string") throw new InvalidArgumentError("keepBest.metric", "a name", keepBest.metric);
  oneOf("keepBest.mode", keepBest.mode, ["max", "min"]);
  number("keepBest.count", keepBest.count, 1);
}

const RETRY_KEYS = ["attempts", "baseDelayMs", "maxDelayMs", "budgetMs"] as const;

function checkRetry(retry: Partial<RetryPolicy>): Partial<RetryPolicy> {
  if (typeof retry !== "object" || retry === null) throw new InvalidArgumentError("retry", "an object", retry);
  for (const key of Object.keys(retry)) oneOf("retry", key, RETRY_KEYS);
  const given = RETRY_KEYS.flatMap((key) => {
    const value = retry[key];
    if (value === undefined) return [];
    return [[key, key === "attempts" ? number("retry.attempts", value, 1) : duration(`retry.${key}`, value)] as const];
  });
  return Object.fromEntries(given);
}

/** In ms; Infinity is allowed. */
export function duration(name: string, value: number): number {
  if (typeof value === "number" && value >= 0) return value;
  throw new InvalidArgumentError(name, "a number of milliseconds, 0 or more", value);
}

function optionalCount(name: string, value: number | undefined): number | null {
  return value === undefined ? null : number(name, value, 1);
}

function number(name: string, value: number, smallest: number): number {
  if (!Number.isSafeInteger(value) || value < smallest) {
    throw new InvalidArgumentError(name, `an integer of at least ${smallest}`, value);
  }
  return value;
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) throw new InvalidArgumentError(name, `one of ${allowed.join(", ")}`, value);
  return value;
}
