import type { DType } from "../index.ts";

/** What other formats call the element types. */
interface Names {
  readonly bytes: number;
  /** Of NumPy's .npy headers, little-endian. */
  readonly numpy: string;
  readonly safetensors: string;
}

/** Zarr v3 has the names that Varve has. */
export const dtypeNames: Readonly<Record<DType, Names>> = {
  float32: { bytes: 4, numpy: "<f4", safetensors: "F32" },
  float64: { bytes: 8, numpy: "<f8", safetensors: "F64" },
  int8: { bytes: 1, numpy: "|i1", safetensors: "I8" },
  int16: { bytes: 2, numpy: "<i2", safetensors: "I16" },
  int32: { bytes: 4, numpy: "<i4", safetensors: "I32" },
  int64: { bytes: 8, numpy: "<i8", safetensors: "I64" },
  uint8: { bytes: 1, numpy: "|u1", safetensors: "U8" },
  uint16: { bytes: 2, numpy: "<u2", safetensors: "U16" },
  uint32: { bytes: 4, numpy: "<u4", safetensors: "U32" },
  uint64: { bytes: 8, numpy: "<u8", safetensors: "U64" },
};

/** Elements of an array of this shape; 1 for a scalar. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
