import { type BufferAttachments, takeSnapshots } from "./buffer-attachments.ts";
import type { BufferInSave } from "./messages.ts";
import type { AnyBuffer } from "./options.ts";
import type { CheckedRequest } from "./save-request.ts";
import type { SaverLink } from "./saver-link.ts";
import type { StateArenas } from "./state-arena.ts";

/** A saver thread and what belongs to it; replaced as a whole when the thread is lost. */
export interface Saver {
  readonly link: SaverLink;
  readonly attachments: BufferAttachments;
  readonly arenas: StateArenas;
}

export interface HandedOver {
  readonly copiedBytes: number;
  readonly transitions: number;
  readonly logicalBytes: number;
  /** When it was handed over, in ms since 1970: the saver may take it up before anybody hears of it. */
  readonly atMs: number;
}

/** All that `save()` does with memory and messages; null if the saver was lost meanwhile. */
export function handOver(
  { link, attachments, arenas }: Saver,
  { step, buffers, state, metrics }: CheckedRequest,
  sequence: number,
  startedAtMs: number,
): HandedOver | null {
  const stateJson = state === null ? null : JSON.stringify(state.json);
  // State first: what can fail must fail before a snapshot holds blocks that nobody would ever release.
  const besideBytes = 2 * (stateJson?.length ?? 0) + buffers.reduce((sum, [, buffer]) => sum + leafBytes(buffer), 0);
  const { sources, hold, copiedBytes } = arenas.copy(state?.tensors ?? [], sequence, besideBytes);
  let snapshots: BufferInSave[];
  try {
    snapshots = takeSnapshots(attachments, buffers);
  } catch (error) {
    if (hold !== null) arenas.budget.giveBack(hold);
    throw error;
  }
  if (!link.isRunning) return null;
  const stateBytes = (state?.tensors ?? []).reduce((sum, tensor) => sum + tensor.byteLength, 0);
  const logicalBytes = buffers.reduce((sum, [, buffer]) => sum + buffer.stats().logicalBytes, stateBytes);
  const transitions = buffers.reduce((sum, [, buffer]) => sum + buffer.size, 0);
  link.status.add("accepted");
  link.post({
    type: "save",
    sequence,
    step,
    buffers: snapshots,
    stateJson,
    tensors: sources,
    hold: hold?.slot ?? null,
    metrics,
    logicalBytes,
    transitions,
    startedAtMs,
  });
  return { copiedBytes, transitions, logicalBytes, atMs: startedAtMs };
}

/** The saver copies the priorities of a buffer as soon as a save of it arrives. */
function leafBytes(buffer: AnyBuffer): number {
  return buffer.describe().prioritized === null ? 0 : 8 * buffer.capacity;
}
