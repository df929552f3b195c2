import { InvalidArgumentError, UnsupportedStateError } from "../errors.ts";
import { arrayConstructors, dtypeOf, type TypedArray } from "../schema/dtype.ts";

/**
 * The state tree as JSON. Whatever JSON cannot say is an object with one `$` key; keys of the user's own that start
 * with `$` get a second one, so that no tree can be mistaken for another.
 *
 *   typed array  {"$tensor": index}             NaN, ±Infinity, -0  {"$number": "NaN"}
 *   bigint       {"$bigint": "123"}             {"$x": 1}           {"$$x": 1}
 *
 * A manifest stores large tensors in parts, one after another: {"$tensor": [index, index, …]}.
 */
export type JsonTree = null | boolean | number | string | JsonTree[] | { [key: string]: JsonTree };

export interface EncodedState {
  readonly json: JsonTree;
  /** In the order of their `$tensor` numbers. Views of the caller's memory, not copies. */
  readonly tensors: readonly TypedArray[];
}

const MAX_DEPTH = 200;

/**
 * Walks the tree and checks all of it; copies nothing.
 *
 * @throws UnsupportedStateError naming the path of the first value that cannot be saved
 */
export function encodeState(state: unknown, root = "state"): EncodedState {
  const tensors: TypedArray[] = [];
  const open = new Set<object>();

  function encode(value: unknown, path: string): JsonTree {
    if (value === null || typeof value === "boolean" || typeof value === "string") return value;
    if (typeof value === "number") return encodeNumber(value);
    if (typeof value === "bigint") return { $bigint: value.toString() };
    if (typeof value !== "object") throw new UnsupportedStateError(path, value);
    if (dtypeOf(value) !== undefined) {
      const { buffer } = value as TypedArray;
      if (buffer instanceof ArrayBuffer && buffer.detached) {
        throw new UnsupportedStateError(path, value, "its memory was transferred away");
      }
      tensors.push(value as TypedArray);
      return { $tensor: tensors.length - 1 };
    }
    if (open.has(value)) throw new UnsupportedStateError(path, value, "it contains itself");
    if (open.size >= MAX_DEPTH) throw new UnsupportedStateError(path, value, `it is nested deeper than ${MAX_DEPTH}`);
    open.add(value);
    const encoded = Array.isArray(value) ? encodeArray(value, path) : encodeObject(value, path);
    open.delete(value);
    return encoded;
  }

  function encodeArray(value: readonly unknown[], path: string): JsonTree {
    // Array.from visits holes too: a hole is undefined, and named as such.
    return Array.from(value, (item, index) => encode(item, `${path}[${index}]`));
  }

  function encodeObject(value: object, path: string): JsonTree {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw new UnsupportedStateError(path, value);
    if (Object.getOwnPropertySymbols(value).length > 0) {
      throw new UnsupportedStateError(path, value, "it has symbol keys");
    }
    const encoded: { [key: string]: JsonTree } = {};
    for (const [key, item] of Object.entries(value)) {
      if (key === "__proto__") throw new UnsupportedStateError(`${path}.__proto__`, item, "this key is not allowed");
      encoded[key.startsWith("$") ? `$${key}` : key] = encode(item, `${path}.${key}`);
    }
    return encoded;
  }

  return { json: encode(state, root), tensors };
}

function encodeNumber(value: number): JsonTree {
  if (Number.isFinite(value) && !Object.is(value, -0)) return value;
  return { $number: Object.is(value, -0) ? "-0" : String(value) };
}

const NUMBERS: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
  "-0": -0,
};

/** Rebuilds the tree. @throws InvalidArgumentError when the JSON is not of encodeState's making */
export function decodeState(json: unknown, tensors: readonly TypedArray[]): unknown {
  if (Array.isArray(json)) return json.map((item) => decodeState(item, tensors));
  if (typeof json !== "object" || json === null) return json;
  const entries = Object.entries(json);
  const [first] = entries;
  if (entries.length === 1 && first !== undefined && /^\$[^$]/.test(first[0])) return decodeSpecial(first, tensors);
  return Object.fromEntries(
    entries.map(([key, item]) => [key.startsWith("$$") ? key.slice(1) : key, decodeState(item, tensors)]),
  );
}

function decodeSpecial([key, value]: readonly [string, unknown], tensors: readonly TypedArray[]): unknown {
  if (key === "$tensor") {
    const tensor = joinParts(Array.isArray(value) ? value : [value], tensors);
    if (tensor !== undefined) return tensor;
  }
  if (key === "$number" && typeof value === "string" && Object.hasOwn(NUMBERS, value)) return NUMBERS[value];
  if (key === "$bigint" && typeof value === "string" && /^-?\d+$/.test(value)) return BigInt(value);
  throw new InvalidArgumentError("state", "a tree written by Varve", `{${JSON.stringify(key)}: …}`);
}

function joinParts(indices: readonly unknown[], tensors: readonly TypedArray[]): TypedArray | undefined {
  const parts = indices.map((index) => (typeof index === "number" ? tensors[index] : undefined));
  const [first] = parts;
  if (first === undefined || parts.length === 1) return first;
  const dtype = dtypeOf(first);
  if (dtype === undefined || parts.some((part) => dtypeOf(part) !== dtype)) return undefined;
  const joined: TypedArray = new arrayConstructors[dtype](parts.reduce((sum, part) => sum + (part?.length ?? 0), 0));
  let at = 0;
  for (const part of parts) {
    // The dtypes are equal, which the union of array types cannot say.
    joined.set(part as never, at);
    at += part?.length ?? 0;
  }
  return joined;
}

/** Replaces the number of every tensor by the numbers of its parts in the manifest. */
export function renumberTensors(json: JsonTree, partsOf: readonly (readonly number[])[]): JsonTree {
  if (Array.isArray(json)) return json.map((item) => renumberTensors(item, partsOf));
  if (typeof json !== "object" || json === null) return json;
  const { $tensor: index } = json;
  if (typeof index === "number") {
    const parts = partsOf[index] ?? [];
    const [only] = parts;
    return { $tensor: parts.length === 1 && only !== undefined ? only : [...parts] };
  }
  return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, renumberTensors(item, partsOf)]));
}

/** The numbers of all tensors that a tree from a manifest names. */
export function tensorsInState(json: unknown): number[] {
  if (Array.isArray(json)) return json.flatMap(tensorsInState);
  if (typeof json !== "object" || json === null) return [];
  const { $tensor: named } = json as { readonly $tensor?: unknown };
  if (typeof named === "number") return [named];
  if (Array.isArray(named)) return named.filter((index) => typeof index === "number");
  return Object.values(json).flatMap(tensorsInState);
}
