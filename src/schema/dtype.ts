/** The element types of fields and tensors, by NumPy's names. */
export type DType =
  | "float32"
  | "float64"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64";

interface ArrayTypes {
  float32: Float32Array;
  float64: Float64Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
}

/** The typed array that holds elements of a dtype. */
export type ArrayOf<D extends DType> = ArrayTypes[D];
export type TypedArray = ArrayTypes[DType];

type Constructors = { readonly [D in DType]: ArrayConstructor<D> };

export interface ArrayConstructor<D extends DType> {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): ArrayOf<D>;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): ArrayOf<D>;
}

export const arrayConstructors: Constructors = {
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
};

export const dtypes: readonly DType[] = Object.keys(arrayConstructors) as DType[];

export function bytesPerElement(dtype: DType): number {
  return arrayConstructors[dtype].BYTES_PER_ELEMENT;
}

/** The dtype of a typed array, or undefined for anything else (also DataView and Uint8ClampedArray). */
export function dtypeOf(value: unknown): DType | undefined {
  if (!ArrayBuffer.isView(value)) return undefined;
  // By name, not instanceof: arrays of another realm (a test runner's, a vm's) are welcome.
  const name = Object.prototype.toString.call(value).slice(8, -1);
  if (name === "BigInt64Array") return "int64";
  if (name === "BigUint64Array") return "uint64";
  const dtype = name.replace("Array", "").toLowerCase();
  return dtypes.find((known) => known === dtype);
}
