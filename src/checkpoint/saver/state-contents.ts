import type { TensorRef } from "../../manifest/manifest.ts";
import type { StateContents, StateTensor, StateValue } from "../describe.ts";

const MOST_ENTRIES = 10_000;
const MOST_CHARACTERS = 4 * 2 ** 20;
const LONGEST_TEXT = 200;
/** Shorter lists of plain values are told item by item, under a path each. */
const LONGEST_LIST = 8;

/** What a walk through the state has found. */
interface Findings {
  readonly tensors: StateTensor[];
  readonly values: StateValue[];
  omitted: number;
  characters: number;
}

/**
 * Lists the leaves of a state tree as a manifest has it. A tree of any size makes a list of bounded length.
 *
 * @param json - checked by the manifest's reader: nested at most 256 deep, its tensors exist
 */
export function listState(
  json: unknown,
  tensors: readonly TensorRef[],
): Pick<StateContents, "tensors" | "values" | "omitted"> {
  const found: Findings = { tensors: [], values: [], omitted: 0, characters: 0 };
  visit(json, "", tensors, found);
  return { tensors: found.tensors, values: found.values, omitted: found.omitted };
}

function visit(json: unknown, path: string, tensors: readonly TensorRef[], found: Findings): void {
  const entries = typeof json === "object" && json !== null ? Object.entries(json) : [];
  const named = entries.find(([key]) => key === "$tensor");
  if (named !== undefined) addTensor(named[1], path, tensors, found);
  else if (isLeaf(json, entries)) addValue(json, path, found);
  else if (Array.isArray(json)) json.forEach((item, index) => visit(item, `${path}[${index}]`, tensors, found));
  else for (const [key, item] of entries) visit(item, childPath(path, key), tensors, found);
}

/** Keys of the user's own that begin with `$` were given a second one. */
function childPath(path: string, key: string): string {
  const name = key.startsWith("$$") ? key.slice(1) : key;
  if (!/^[\p{L}\p{N}_$-]+$/u.test(name)) return `${path}[${shorten(JSON.stringify(name))}]`;
  return path === "" ? shorten(name) : `${path}.${shorten(name)}`;
}

function isLeaf(json: unknown, entries: readonly (readonly [string, unknown])[]): boolean {
  if (entries.length === 0 || isSpecial(json)) return true;
  return Array.isArray(json) && json.length > LONGEST_LIST && json.every(isPlain);
}

function isPlain(json: unknown): boolean {
  return typeof json !== "object" || json === null || isSpecial(json);
}

/** A number or bigint that JSON cannot say. */
function isSpecial(json: unknown): boolean {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return false;
  const keys = Object.keys(json);
  return keys.length === 1 && (keys[0] === "$number" || keys[0] === "$bigint");
}

function addTensor(named: unknown, path: string, tensors: readonly TensorRef[], found: Findings): void {
  if (!hasRoom(path, found)) return;
  const parts = [named].flat().map((index) => tensors[index as number] as TensorRef);
  found.tensors.push({
    path,
    dtype: (parts[0] as TensorRef).dtype,
    length: parts.reduce((sum, { length }) => sum + length, 0),
    storedBytes: parts.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
  });
}

function addValue(json: unknown, path: string, found: Findings): void {
  if (hasRoom(path, found)) found.values.push({ path, text: textOf(json) });
}

function hasRoom(path: string, found: Findings): boolean {
  found.characters += path.length;
  const hasSpace = found.tensors.length + found.values.length < MOST_ENTRIES && found.characters < MOST_CHARACTERS;
  if (!hasSpace) found.omitted += 1;
  return hasSpace;
}

function textOf(json: unknown): string {
  if (Array.isArray(json) && json.length > 0) {
    const some = json.slice(0, LONGEST_LIST / 2).map(textOf);
    return shorten(`[${some.join(", ")}, … ${json.length} items]`);
  }
  if (isSpecial(json)) {
    const [[key, value] = ["", ""]] = Object.entries(json as Record<string, unknown>);
    return shorten(key === "$bigint" ? `${String(value)}n` : String(value));
  }
  return shorten(typeof json === "string" ? JSON.stringify(json.slice(0, LONGEST_TEXT)) : JSON.stringify(json));
}

function shorten(text: string): string {
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT - 1)}…`;
}

/** Of the whole tree, each once: equal tensors are stored once. */
export function namedTensors(state: unknown): number[] {
  const named = new Set<number>();
  const open: unknown[] = [state];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value !== "object" || value === null) continue;
    if (Object.hasOwn(value, "$tensor")) {
      for (const index of [(value as { $tensor: unknown }).$tensor].flat()) named.add(index as number);
    } else for (const item of Object.values(value)) open.push(item);
  }
  return [...named];
}
