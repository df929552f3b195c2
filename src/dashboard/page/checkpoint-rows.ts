import type { CheckpointFacts } from "../../record/run-record.ts";
import type { SaveView } from "../../record/run-view.ts";
import type { RunModel } from "./run-model.ts";
import { outcomeOf, type SaveOutcome } from "./save-outcome.ts";

/** What is said of a checkpoint; "stored" is one that only the store's listing knows, "removed" one that it lacks now. */
export type CheckpointState = SaveOutcome | "stored" | "damaged" | "removed";

/** One line of the table of checkpoints. Null is what nobody knows. */
export interface CheckpointRow {
  readonly key: string;
  readonly sequence: number;
  readonly step: number;
  readonly state: CheckpointState;
  /** Every pack that it names is there, in its size; null for one that the store's listing does not have. */
  readonly isComplete: boolean | null;
  /** Why it failed or cannot be used. */
  readonly reason: string | null;
  /** Bytes written for it alone. */
  readonly newBytes: number | null;
  /** In all packs that it names. */
  readonly storedBytes: number | null;
  readonly blockedMs: number | null;
  readonly toDurableMs: number | null;
  readonly toCommittedMs: number | null;
  readonly isPinned: boolean;
  /** Sequence of the checkpoint that it goes on from; null for the first, and where the store was not listed. */
  readonly parent: number | null;
  /** Sequences of those that go on from it, where they are several: the run branched here. */
  readonly branches: readonly number[];
}

/**
 * What the log says of saves and what the store lists, as one table, newest first.
 *
 * Cost: O(saves + checkpoints).
 */
export function checkpointRows(model: RunModel, hasEnded: boolean): CheckpointRow[] {
  const { saves, checkpoints } = model.view;
  const sequenceByName = new Map(checkpoints.map(({ name, sequence }) => [name, sequence]));
  const childrenByParent = new Map<string, number[]>();
  for (const { parent, sequence } of checkpoints) {
    if (parent !== null) childrenByParent.set(parent, [...(childrenByParent.get(parent) ?? []), sequence]);
  }
  const lineageOf = (facts: CheckpointFacts) => {
    const children = childrenByParent.get(facts.name) ?? [];
    return {
      parent: facts.parent === null ? null : (sequenceByName.get(facts.parent) ?? sequenceIn(facts.parent)),
      branches: children.length > 1 ? children : [],
    };
  };
  const saveBySequence = new Map(saves.map((save) => [save.sequence, save]));
  const listed = checkpoints.map((facts) => ({
    ...rowOf(saveBySequence.get(facts.sequence) ?? null, facts, model, hasEnded),
    ...lineageOf(facts),
  }));
  const listedSequences = new Set(checkpoints.map(({ sequence }) => sequence));
  const others = saves
    .filter(({ sequence }) => !listedSequences.has(sequence))
    .map((save) => rowOf(save, null, model, hasEnded));
  return [...listed, ...others].sort((a, b) => b.sequence - a.sequence || (a.key < b.key ? 1 : -1));
}

function rowOf(
  save: SaveView | null,
  facts: CheckpointFacts | null,
  model: RunModel,
  hasEnded: boolean,
): CheckpointRow {
  const state = stateOf(save, facts, model, hasEnded);
  return {
    key: facts?.name ?? `save ${save?.sequence}`,
    sequence: facts?.sequence ?? save?.sequence ?? 0,
    step: facts?.step ?? save?.step ?? 0,
    state,
    isComplete: facts === null ? null : facts.problem === null,
    reason: facts?.problem ?? save?.failed?.error.message ?? null,
    newBytes: save?.durable?.storedBytes ?? null,
    storedBytes: facts?.storedBytes ?? save?.durable?.totalStoredBytes ?? null,
    blockedMs: save?.queued?.blockedMs ?? null,
    toDurableMs: save?.durable?.elapsedMs ?? null,
    toCommittedMs: msToCommitted(save),
    isPinned: facts?.pinned ?? false,
    parent: null,
    branches: [],
  };
}

function stateOf(
  save: SaveView | null,
  facts: CheckpointFacts | null,
  model: RunModel,
  hasEnded: boolean,
): CheckpointState {
  if (facts !== null && facts.problem !== null) return "damaged";
  if (save === null) return "stored";
  const outcome = outcomeOf(save, model, hasEnded);
  const { committed } = save;
  const wasListedSince = committed !== null && model.listedAtMs !== null && committed.atMs < model.listedAtMs;
  return facts === null && wasListedSince ? "removed" : outcome;
}

/** Since `save()` was called; where the log begins later, what it took to be durable and the time since. */
function msToCommitted(save: SaveView | null): number | null {
  if (save === null || save.committed === null) return null;
  const { queued, durable, committed } = save;
  const toDurableMs = durable?.elapsedMs ?? 0;
  // The two clocks, of the threads that noted these times, may differ by a little.
  if (queued !== null) return Math.max(toDurableMs, committed.atMs - queued.atMs + queued.blockedMs);
  return durable === null ? null : toDurableMs + Math.max(0, committed.atMs - durable.atMs);
}

/** Of a manifest's name, `<epoch>-<sequence>.json`: a parent that was removed is still named. */
function sequenceIn(name: string): number | null {
  const match = /-(\d+)(?:\.json)?$/.exec(name);
  return match?.[1] === undefined ? null : Number(match[1]);
}
