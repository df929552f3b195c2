import { CheckpointNotFoundError, NoIntactCheckpointError } from "../../errors.ts";
import { type CheckpointHeader, findStep } from "../../manifest/lineage.ts";
import { listPins, pinCheckpoint, unpinCheckpoint } from "../../manifest/pins.ts";
import { namedPackBytes } from "../../manifest/prune-plan.ts";
import { metricsOf } from "../../manifest/stored-number.ts";
import type { CheckpointInfo } from "../options.ts";
import type { Tiers } from "./tiers.ts";

/** The checkpoints of a run that can be read, oldest first. The others are told, each by name. */
export async function listRun(
  tiers: Tiers,
  run: string | undefined,
  warn: (message: string) => void,
  signal: AbortSignal,
): Promise<CheckpointInfo[]> {
  const { whole, broken } = await tiers.history({ run, signal });
  for (const { error } of broken) warn(`a checkpoint cannot be read and is not listed: ${error.message}`);
  if (whole.length === 0 && broken.length > 0) {
    throw new NoIntactCheckpointError(broken.map(({ error }) => error.message));
  }
  const pinned = await pinnedIn(tiers, signal);
  return whole.map((header) => infoOf(header, pinned));
}

/** The names of the checkpoints that are pinned in any tier. */
export async function pinnedIn(tiers: Tiers, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const pins = await Promise.all(tiers.all.map((store) => listPins(store, { signal })));
  return new Set(pins.flatMap((names) => [...names]));
}

/** @param pinned - names of checkpoints */
export function infoOf(header: CheckpointHeader, pinned: ReadonlySet<string>): CheckpointInfo {
  const { name, step, sequence, epoch, createdAt, logicalBytes, buffers } = header;
  const logs = Object.values(buffers).map((buffer) => buffer.logs[0]);
  return {
    ...{ name, step, sequence, epoch, createdAt, logicalBytes },
    pinned: pinned.has(name),
    parent: header.parent?.name ?? null,
    metrics: metricsOf(header.metrics),
    storedBytes: namedPackBytes(header) + header.sizeBytes,
    transitions: logs.reduce((sum, log) => sum + (log === undefined ? 0 : log.head - log.tail), 0),
  };
}

/**
 * Pins or unpins the newest checkpoint with a step, in every tier that has it.
 *
 * @param onFound - told which, and waited for before anything is written
 */
export async function setPin(
  tiers: Tiers,
  run: string | undefined,
  { step, pinned }: { readonly step: number; readonly pinned: boolean },
  onFound: (name: string) => Promise<void>,
): Promise<void> {
  const { whole } = await tiers.history({ run });
  const found = findStep(whole, step);
  if (found === undefined) {
    throw new CheckpointNotFoundError(
      `step ${step}`,
      whole.map((header) => `step ${header.step}`),
    );
  }
  await onFound(found.name);
  let isPinned = !pinned;
  for (const store of tiers.all) {
    if (!pinned) await unpinCheckpoint(store, found.name);
    else if ((await store.head(found.name)) !== null) {
      await pinCheckpoint(store, found.name);
      isPinned = true;
    }
  }
  if (!isPinned) throw new CheckpointNotFoundError(`step ${step}, which was deleted meanwhile`, []);
}
