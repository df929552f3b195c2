import {
  BufferNotEmptyError,
  CorruptError,
  FieldMismatchError,
  InvalidArgumentError,
  isVarveError,
  NoIntactCheckpointError,
} from "../errors.ts";
import { arrayConstructors, type TypedArray } from "../schema/dtype.ts";
import { listFieldDifferences } from "../schema/field-differences.ts";
import type { LogBounds } from "../schema/snapshot.ts";
import type { RestoredState, SelectedBuffer, SelectedCheckpoint } from "./messages.ts";
import type { AnyBuffer, Restored, RestoreOptions } from "./options.ts";
import { assertKnownKeys, namedBuffers } from "./save-request.ts";
import type { SaverLink } from "./saver-link.ts";
import { decodeState } from "./state-tree.ts";

type NamedBuffer = readonly [name: string, buffer: AnyBuffer];

/** A buffer, and what a checkpoint has of it. */
interface Filling extends Pick<RestoreOptions, "signal" | "onProgress"> {
  readonly link: SaverLink;
  readonly manifest: string;
  readonly name: string;
  readonly buffer: AnyBuffer;
  readonly saved: SelectedBuffer;
}

interface Skipped {
  readonly sequence: number;
  readonly reason: string;
}

/** Codes that mean: this checkpoint cannot be had, an older one may. Anything else is not about the checkpoint. */
const BROKEN = ["VARVE_CORRUPT"];

/**
 * Restores the newest intact checkpoint, or the one asked for. A corrupt one is passed over loudly; if the user named
 * it, that is an error.
 */
export async function restoreCheckpoint(
  link: SaverLink,
  options: RestoreOptions,
  warn: (message: string) => void,
): Promise<Restored | null> {
  assertKnownKeys("restore()", options, ["step", "sequence", "buffer", "overwrite", "signal", "onProgress"]);
  const { step = null, sequence = null } = options;
  for (const [name, value] of Object.entries({ step, sequence })) {
    if (value !== null && (!Number.isSafeInteger(value) || value < 0)) {
      throw new InvalidArgumentError(name, "a non-negative integer", value);
    }
  }
  const buffers = namedBuffers(options.buffer);
  assertEmpty(buffers, options.overwrite ?? false);
  const skipped: Skipped[] = [];
  let after: string | null = null;
  for (;;) {
    const selected: SelectedCheckpoint | null = await link.call<SelectedCheckpoint | null>(
      { method: "select", step, sequence, after },
      { signal: options.signal },
    );
    if (selected === null && skipped.length === 0) return null;
    if (selected === null) throw new NoIntactCheckpointError(skipped.map(({ reason }) => reason));
    for (const passed of selected.skipped) pass(passed);
    try {
      return await takeOver(link, selected, buffers, options, skipped);
    } catch (error) {
      if (step !== null || sequence !== null || !isVarveError(error, ...BROKEN)) throw error;
      pass({ sequence: selected.sequence, reason: error.message });
      after = selected.manifest;
    }
  }

  function pass(passed: Skipped): void {
    skipped.push(passed);
    warn(`checkpoint ${passed.sequence} is passed over: ${passed.reason}`);
  }
}

function assertEmpty(buffers: readonly NamedBuffer[], overwrite: boolean): void {
  for (const [name, buffer] of buffers) {
    if (buffer.size > 0 && !overwrite) throw new BufferNotEmptyError(name, buffer.size);
  }
}

async function takeOver(
  link: SaverLink,
  selected: SelectedCheckpoint,
  buffers: readonly NamedBuffer[],
  options: RestoreOptions,
  skipped: readonly Skipped[],
): Promise<Restored> {
  const { manifest, step, sequence, metrics } = selected;
  const { signal, onProgress } = options;
  const fillings = buffers.map(
    ([name, buffer]): Filling => ({
      ...{ link, manifest, name, buffer, signal, onProgress },
      saved: savedBuffer(selected, name, buffer),
    }),
  );
  const raw = await link.call<RestoredState | null>({ method: "state", manifest }, { signal });
  const state = raw === null ? null : toState(raw, manifest);
  // What is about to be dropped is dropped only for something that is known to be whole.
  for (const filling of fillings) {
    if (filling.buffer.size > 0) await fill(filling, true);
  }
  const begun: AnyBuffer[] = [];
  try {
    for (const filling of fillings) {
      begun.push(filling.buffer);
      await fillBuffer(filling);
    }
    await link.call({ method: "restored", manifest });
  } catch (error) {
    // Half-filled memory must not be taken for content, nor half of the buffers for a checkpoint.
    for (const buffer of begun) buffer.clear();
    throw error;
  }
  return { step, sequence, state, metrics, skipped };
}

function savedBuffer(selected: SelectedCheckpoint, name: string, buffer: AnyBuffer): SelectedBuffer {
  const saved = selected.buffers[name];
  if (saved === undefined) {
    const names = Object.keys(selected.buffers).join(", ");
    throw new InvalidArgumentError(
      "buffer",
      `one of the buffers of checkpoint ${selected.sequence} (${names || "none"})`,
      name,
    );
  }
  const own = buffer.describe();
  const differences = listFieldDifferences(saved.fields, own.fields);
  const [savedAlpha, ownAlpha] = [saved.prioritized?.alpha, own.prioritized?.alpha];
  if ((savedAlpha === undefined) !== (ownAlpha === undefined)) {
    differences.push(`prioritized is ${savedAlpha !== undefined}, the buffer has ${ownAlpha !== undefined}`);
  } else if (savedAlpha !== ownAlpha) {
    // Leaves are stored raised to alpha.
    differences.push(`prioritized.alpha is ${savedAlpha}, the buffer has ${ownAlpha}`);
  }
  if (differences.length > 0)
    throw new FieldMismatchError(`checkpoint ${selected.sequence}, buffer "${name}",`, differences);
  const [logs, expected] = [saved.bounds, own.logs].map((all) => all.map((log) => log.name).join(", "));
  // They follow from the fields. Found out when the buffer is filled, it would be after its rows were dropped.
  if (logs !== expected) {
    throw new CorruptError(selected.manifest, `buffer "${name}" has the logs ${logs}, expected ${expected}`);
  }
  return saved;
}

function toState({ json, tensors }: RestoredState, manifest: string): unknown {
  try {
    const arrays = tensors.map(({ dtype, bytes }): TypedArray => new arrayConstructors[dtype](bytes));
    return decodeState(json, arrays);
  } catch (error) {
    throw new CorruptError(manifest, `its state: ${(error as Error).message}`, error);
  }
}

async function fillBuffer(filling: Filling): Promise<void> {
  const { link, manifest, name, buffer, saved } = filling;
  const leaves = await fill(filling, false);
  buffer.finishRestore(saved.meta, leaves);
  const { incarnation } = buffer.describe();
  link.post({ type: "adopt", name, incarnation, manifest });
}

/** Decodes the rows in the saver's thread straight into the buffer's blocks, or only checks that it could. */
async function fill(filling: Filling, checkOnly: boolean): Promise<Float64Array | null> {
  const { link, manifest, name, buffer, saved, signal, onProgress } = filling;
  const bounds = clip(saved.bounds, buffer.capacity);
  const targets = checkOnly
    ? bounds.map(({ tail, head }, log) => ({ log, tail, head, segments: [] }))
    : buffer.beginRestore(bounds);
  const layouts = buffer.describe().logs;
  return link.call<Float64Array | null>(
    { method: "fill", manifest, buffer: name, targets, layouts, checkOnly },
    { signal, onProgress },
  );
}

/** A smaller buffer takes the newest transitions. All frames are taken: which of them are still needed is not known. */
function clip(bounds: readonly LogBounds[], capacity: number): LogBounds[] {
  return bounds.map(({ tail, head }, log) => ({ tail: log === 0 ? Math.max(tail, head - capacity) : tail, head }));
}
