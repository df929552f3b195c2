import { InvalidArgumentError, NotSharedError } from "../errors.ts";
import {
  type ArrayOf,
  arrayConstructors,
  bytesPerElement,
  type DType,
  dtypeOf,
  type TypedArray,
} from "../schema/dtype.ts";

const frozenArrays = new WeakSet<object>();

/**
 * Makes a zeroed array over shared memory, which a save can read in place.
 *
 * @param length - in elements
 * Cost: shared memory lies outside `--max-old-space-size`.
 */
export function allocateShared<D extends DType>(dtype: D, length: number): ArrayOf<D> {
  if (!(dtype in arrayConstructors)) {
    throw new InvalidArgumentError("dtype", `one of ${Object.keys(arrayConstructors).join(", ")}`, dtype);
  }
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new InvalidArgumentError("length", "a non-negative integer", length);
  }
  return new arrayConstructors[dtype](new SharedArrayBuffer(length * bytesPerElement(dtype)));
}

/**
 * Promises that an array will not be changed any more, so that a save reads it in place instead of copying it.
 *
 * @returns the same array
 * @throws NotSharedError when it is not over shared memory: it would be copied to the saver's thread anyway
 */
export function frozen<A extends TypedArray>(array: A): A {
  if (dtypeOf(array) === undefined) throw new InvalidArgumentError("array", "a typed array", array);
  if (!(array.buffer instanceof SharedArrayBuffer)) throw new NotSharedError(array);
  frozenArrays.add(array);
  return array;
}

export function isFrozen(array: object): boolean {
  return frozenArrays.has(array);
}
