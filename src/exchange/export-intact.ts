import {
  type Checkpointer,
  type CheckpointReader,
  ConfigError,
  isVarveError,
  NoIntactCheckpointError,
} from "../index.ts";
import { type ExportOptions, type ExportReport, exportCheckpoint } from "./export-checkpoint.ts";
import type { ExportRequest } from "./export-plan.ts";

/** Which checkpoint is wanted; the newest that is whole where neither is given. */
export interface WantedCheckpoint {
  readonly step?: number | undefined;
  readonly sequence?: number | undefined;
}

/**
 * Writes the newest checkpoint that is whole, or the one asked for. What of a newer one is damaged may be found only
 * while its rows are read: it is told as a warning then, and the one before it is tried.
 *
 * @returns null where the run holds no checkpoint; `isDamaged` where one was passed over
 * @throws CorruptError where the one asked for, or the only one, is damaged; NoIntactCheckpointError where all are;
 *   ConfigError where retention removed it meanwhile
 * Cost: that of an export, and for each damaged checkpoint what was read up to the damage.
 */
export async function exportIntact(
  run: Pick<Checkpointer, "openCheckpoint" | "list">,
  path: string,
  request: ExportRequest,
  wanted: WantedCheckpoint,
  options: ExportOptions = {},
): Promise<{ readonly report: ExportReport; readonly isDamaged: boolean } | null> {
  const { signal, onWarning } = options;
  const isAnyGood = wanted.step === undefined && wanted.sequence === undefined;
  const damaged: Error[] = [];
  let isDamaged = false;
  for (let after: string | undefined; ; ) {
    const reader = await run.openCheckpoint({ ...wanted, after, signal });
    if (reader === null) {
      if (damaged.length > 1)
        throw new NoIntactCheckpointError(
          damaged.map(({ message }) => message),
          damaged[0],
        );
      if (damaged[0] !== undefined) throw damaged[0];
      return null;
    }
    for (const { reason } of reader.skipped) onWarning?.(`a newer checkpoint is passed over: ${reason}`);
    isDamaged ||= reader.skipped.length > 0;
    try {
      // What was begun of a damaged one would only be taken for that of the next.
      const report = await exportCheckpoint(reader, path, request, { ...options, removesDamaged: isAnyGood });
      return { report, isDamaged };
    } catch (error) {
      if (!isVarveError(error, "VARVE_CORRUPT")) throw error;
      if (await isGone(run, reader)) throw pruned(reader, isAnyGood, error);
      if (!isAnyGood) throw error;
      onWarning?.(`checkpoint ${reader.sequence} (step ${reader.step}) is passed over: ${error.message}`);
      damaged.push(error);
      [after, isDamaged] = [reader.name, true];
    }
  }
}

async function isGone(run: Pick<Checkpointer, "list">, { name }: CheckpointReader): Promise<boolean> {
  try {
    return (await run.list()).every((checkpoint) => checkpoint.name !== name);
  } catch (error) {
    // There are some, and none can be read any more: that is damage.
    if (!isVarveError(error, "VARVE_NO_INTACT_CHECKPOINT")) throw error;
    return false;
  }
}

function pruned({ sequence, step }: CheckpointReader, isAnyGood: boolean, cause: Error): ConfigError {
  return new ConfigError(`Checkpoint ${sequence} (step ${step}) was pruned while it was exported`, {
    hint: isAnyGood
      ? "Run it again: it takes the newest that is there then."
      : "Run it again without that step, or ask for one that varve list shows; retention keeps what is pinned.",
    cause,
  });
}
