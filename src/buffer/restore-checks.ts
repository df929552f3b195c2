import { isRandomState } from "../base/random.ts";
import { CorruptError, InvalidArgumentError } from "../errors.ts";
import type { FieldSet } from "../schema/fields.ts";
import { ID_RANGE, mostCapacity } from "../schema/layouts.ts";
import type { LogLayout } from "../schema/log-layout.ts";
import type { BufferMeta, LogBounds } from "../schema/snapshot.ts";

/** @throws InvalidArgumentError where it is not a positive integer, or beyond the range of frame ids */
export function assertCapacity(capacity: unknown, fields: FieldSet): number {
  const most = mostCapacity(fields);
  if (typeof capacity !== "number" || !Number.isSafeInteger(capacity) || capacity < 1 || capacity > most) {
    throw new InvalidArgumentError("capacity", `an integer from 1 to ${most}`, capacity);
  }
  return capacity;
}

/** Looks at bounds before memory is taken on their word (rule 11). */
export function assertBounds(bounds: readonly LogBounds[], layouts: readonly LogLayout[], capacity: number): void {
  if (bounds.length !== layouts.length) {
    throw new InvalidArgumentError("bounds", `those of ${layouts.length} logs`, bounds);
  }
  for (const [i, { tail, head }] of bounds.entries()) {
    const most = i === 0 ? capacity : ID_RANGE - 1;
    const areBounds = Number.isSafeInteger(tail) && Number.isSafeInteger(head) && 0 <= tail && tail <= head;
    if (!areBounds || head - tail > most) {
      throw new InvalidArgumentError(`bounds of ${layouts[i]?.name}`, `at most ${most} rows`, `[${tail}, ${head})`);
    }
  }
}

/** @param rows - leaves to expect; null where the buffer is not prioritised */
export function assertMeta(meta: BufferMeta, leaves: Float64Array | null, rows: number | null): void {
  if ((leaves?.length ?? null) !== rows) {
    throw new InvalidArgumentError("leaves", rows === null ? "null" : `an array of ${rows} leaves`, leaves);
  }
  if (rows !== null && !(meta.maxPriority !== null && meta.maxPriority > 0 && Number.isFinite(meta.maxPriority))) {
    throw new CorruptError("meta", `the largest priority is ${meta.maxPriority}`);
  }
  const wrong = leaves?.findIndex((leaf) => !(leaf > 0 && Number.isFinite(leaf))) ?? -1;
  if (wrong >= 0) throw new CorruptError("priorities", `leaf ${wrong} is ${leaves?.[wrong]}`);
  if (!isRandomState(meta.random)) throw new CorruptError("meta", "it holds no state of a generator");
  const env = meta.openEnvs.find((env) => !(Number.isInteger(env) && env >= 0 && env <= 65_535));
  if (env !== undefined) throw new CorruptError("meta", `env ${env} does not exist`);
}
