import { ConfigError, type DType } from "../index.ts";
import { dtypeNames, elementsOf } from "./dtypes.ts";

/** Version 1.0: the length of the header is two bytes. */
const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);
const PREFIX_BYTES = 10;
/** NumPy's own alignment of the data, which lets it be mapped. */
const ALIGNMENT = 64;

/** The header of a .npy file with this content, data not included. */
export function npyHeader(dtype: DType, shape: readonly number[]): Uint8Array {
  const axes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${dtypeNames[dtype].numpy}', 'fortran_order': False, 'shape': (${axes}), }`;
  const length = Math.ceil((PREFIX_BYTES + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(length).fill(0x20);
  header.set(MAGIC);
  header[6] = 1;
  header[7] = 0;
  new DataView(header.buffer).setUint16(8, length - PREFIX_BYTES, true);
  header.set(new TextEncoder().encode(text), PREFIX_BYTES);
  header[length - 1] = 0x0a;
  return header;
}

export interface NpyHeader {
  /** Null where a buffer cannot hold it: text, dates, complex numbers, float16. */
  readonly dtype: DType | null;
  /** The type as NumPy writes it. */
  readonly descr: string;
  /** Stored as NumPy's bool: one byte, 0 or 1. */
  readonly isBool: boolean;
  readonly shape: readonly number[];
  /** Where the data begins. */
  readonly dataOffset: number;
}

/** Longer headers are of structured types, which are refused anyway. */
export const MAX_NPY_HEADER_BYTES: number = 64 * 1024;
const MAX_AXES = 32;

const HEADER =
  /^\{\s*'descr':\s*(?:'([^']*)'|(\[.*\]))\s*,\s*'fortran_order':\s*(True|False)\s*,\s*'shape':\s*\(([0-9,\s]*)\)\s*,?\s*\}\s*$/s;

const dtypeOfNumpy = new Map(
  Object.entries(dtypeNames).map(([dtype, { numpy }]): [string, DType] => [numpy, dtype as DType]),
);

/**
 * Reads the header of a .npy file. Nothing is executed: pickled objects are refused.
 *
 * @param bytes - from the start of the file; up to MAX_NPY_HEADER_BYTES of it
 * @param name - for error messages
 * @throws ConfigError saying what to do in NumPy where the array cannot be taken as it is
 */
export function parseNpyHeader(bytes: Uint8Array, name: string): NpyHeader {
  if (bytes.length < PREFIX_BYTES + 2 || !MAGIC.every((byte, index) => bytes[index] === byte)) {
    throw new ConfigError(`"${name}" is not a .npy array`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const major = bytes[6];
  const prefix = major === 1 ? PREFIX_BYTES : PREFIX_BYTES + 2;
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (prefix + length > bytes.length)
    throw new ConfigError(`"${name}" has a header of ${length} bytes, which is cut off`);
  const text = new TextDecoder("latin1").decode(bytes.subarray(prefix, prefix + length));
  const match = HEADER.exec(text);
  if (match === null) throw new ConfigError(`"${name}" has a header that is not NumPy's: ${text.slice(0, 120).trim()}`);
  const [, descr, fields, fortran, axes = ""] = match;
  if (fields !== undefined) {
    throw new ConfigError(`"${name}" is a structured array`, {
      hint: "Save each of its fields as an array of its own.",
    });
  }
  const shape = axes.split(",").flatMap((axis) => (axis.trim() === "" ? [] : [Number(axis)]));
  if (shape.length > MAX_AXES || !Number.isSafeInteger(elementsOf(shape) * 8)) {
    throw new ConfigError(`"${name}" has the shape [${shape.join(", ")}], which is too large`);
  }
  const type = readDescr(descr ?? "", name);
  if (fortran === "True" && shape.filter((axis) => axis > 1).length > 1) {
    throw new ConfigError(`"${name}" is in Fortran order`, {
      hint: "Save numpy.ascontiguousarray(array) in its place.",
    });
  }
  return { ...type, shape, dataOffset: prefix + length };
}

function readDescr(descr: string, name: string): Pick<NpyHeader, "dtype" | "descr" | "isBool"> {
  if (descr === "|b1") return { dtype: "uint8", descr, isBool: true };
  const dtype = dtypeOfNumpy.get(descr);
  if (dtype !== undefined) return { dtype, descr, isBool: false };
  if (descr.includes("O")) {
    throw new ConfigError(
      `"${name}" holds Python objects, which are pickled: reading them would run whatever they say`,
      {
        hint: "Save it as an array of numbers, with allow_pickle=False.",
      },
    );
  }
  if (descr.startsWith(">")) {
    throw new ConfigError(`"${name}" is big-endian (${descr})`, {
      hint: `Save array.astype("${descr.replace(">", "<")}") in its place.`,
    });
  }
  return { dtype: null, descr, isBool: false };
}

/** An array that is needed, of a type that a buffer cannot hold. */
export function cannotHold(name: string, descr: string): ConfigError {
  const isFloat = /^[<=|]f/.test(descr);
  const save = isFloat ? 'Save array.astype("float32") in its place' : "Save it as numbers, or leave it out";
  return new ConfigError(`"${name}" has the type ${descr || "none"}, which a buffer cannot hold`, {
    hint: `${save}; there are ${[...dtypeOfNumpy.values()].join(", ")} and bool.`,
  });
}
