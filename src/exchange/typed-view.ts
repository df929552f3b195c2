import type { DType, TypedArray } from "../index.ts";
import { dtypeNames } from "./dtypes.ts";

const constructors = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
} as const satisfies Readonly<Record<DType, unknown>>;

/** Bytes as elements; they must begin where elements of that size may. */
export function viewOf(dtype: DType, bytes: Uint8Array): TypedArray {
  return new constructors[dtype](
    bytes.buffer as ArrayBuffer,
    bytes.byteOffset,
    bytes.byteLength / dtypeNames[dtype].bytes,
  );
}
