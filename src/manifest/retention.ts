import { type CheckpointPosition, compareCheckpoints, parsePackName } from "./names.ts";
import { fromStoredNumber, type StoredNumber } from "./stored-number.ts";

/** Which checkpoints stay. Whatever one rule keeps, is kept. */
export interface RetentionPolicy {
  /** Newest checkpoints to keep. Without it everything is kept, whatever else is set. */
  readonly keepLast?: number | undefined;
  /** Keeps every checkpoint whose step is a multiple of this. */
  readonly keepEvery?: number | undefined;
  readonly keepBest?: KeepBest | undefined;
}

export interface KeepBest {
  readonly metric: string;
  readonly mode: "max" | "min";
  readonly count: number;
}

export type KeepReason = "all" | "newest" | "every" | "best" | "pinned" | "restored" | "not-sent";

/** What retention needs to know of a whole checkpoint. */
export interface RetentionCandidate extends CheckpointPosition {
  readonly name: string;
  readonly step: number;
  readonly metrics: Readonly<Record<string, StoredNumber>>;
}

export interface Protection {
  /** Names of pinned checkpoints. */
  readonly pinned?: ReadonlySet<string> | undefined;
  /** The checkpoint that this writer restored, until its own first commit: a branch must not lose its root. */
  readonly restored?: string | null | undefined;
  /** Checkpoints of the local tier that the store still lacks. */
  readonly notSent?: ReadonlySet<string> | undefined;
}

/**
 * Decides which whole checkpoints stay, and why. The newest one always does.
 *
 * @param checkpoints - whole ones only: one that cannot be read must not push out one that can
 * @returns reasons by name; what is missing from it may go
 */
export function selectKept(
  checkpoints: readonly RetentionCandidate[],
  policy: RetentionPolicy,
  { pinned, restored, notSent }: Protection = {},
): Map<string, KeepReason[]> {
  const newestFirst = [...checkpoints].sort((a, b) => compareCheckpoints(b, a));
  const kept = new Map<string, KeepReason[]>();
  const keep = (checkpoint: RetentionCandidate, reason: KeepReason): void => {
    kept.set(checkpoint.name, [...(kept.get(checkpoint.name) ?? []), reason]);
  };
  const { keepLast, keepEvery, keepBest } = policy;
  for (const [place, checkpoint] of newestFirst.entries()) {
    if (keepLast === undefined) keep(checkpoint, "all");
    else if (place < Math.max(1, keepLast)) keep(checkpoint, "newest");
    if (keepEvery !== undefined && checkpoint.step % keepEvery === 0) keep(checkpoint, "every");
    if (pinned?.has(checkpoint.name)) keep(checkpoint, "pinned");
    if (restored === checkpoint.name) keep(checkpoint, "restored");
    if (notSent?.has(checkpoint.name)) keep(checkpoint, "not-sent");
  }
  if (keepBest !== undefined) for (const checkpoint of bestOf(newestFirst, keepBest)) keep(checkpoint, "best");
  return kept;
}

/** Of equally good ones the newer. Checkpoints without the metric, or with NaN, do not take part. */
function bestOf(newestFirst: readonly RetentionCandidate[], { metric, mode, count }: KeepBest): RetentionCandidate[] {
  const sign = mode === "max" ? -1 : 1;
  return newestFirst
    .filter(({ metrics }) => Object.hasOwn(metrics, metric))
    .map((checkpoint) => ({ checkpoint, value: fromStoredNumber(checkpoint.metrics[metric] as StoredNumber) }))
    .filter(({ value }) => !Number.isNaN(value))
    .sort((a, b) => sign * (a.value - b.value))
    .slice(0, count)
    .map(({ checkpoint }) => checkpoint);
}

/** Packs that none of the checkpoints names, in the order given. Names of another form are not packs. */
export function unnamedPacks<Pack extends { readonly name: string }>(
  packs: readonly Pack[],
  checkpoints: readonly { readonly packs: readonly { readonly name: string }[] }[],
): Pack[] {
  const named = new Set(checkpoints.flatMap((checkpoint) => checkpoint.packs.map((pack) => pack.name)));
  return packs.filter(({ name }) => parsePackName(name) !== undefined && !named.has(name));
}
