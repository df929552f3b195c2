import type { Random } from "../../src/base/random.ts";

/** What a hostile file says, made from what a sound one says: one to four changes each, or bytes from nothing. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const NUMBERS: readonly number[] = [
  ...[0, -0, 1, -1, 2, 7, 0.5, -0.5, 8.5, 1e-320, 64, 200, 255, 256, 4095, 4096, 65_535, 65_536],
  ...[2 ** 24, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53 - 1, 2 ** 53, -(2 ** 53)],
  ...[99_999_999, 100_000_000, 999_999_999_999, 1e12, 1e15, 1e21, 1e308, -1e308],
];

/** Tokens that stand where a number may stand; some are no JSON at all. */
const NUMBER_TOKENS: readonly string[] = [
  ...["1e999", "-1e999", "1e400", "1E+400", "1e-999", "NaN", "Infinity", "-0", "00", "01", "0x10", "1_000", "+1"],
  ...["9007199254740993", "99999999999999999999999999", `1${"0".repeat(400)}`, ".5", "5.", "--1", "1e", "true", "[]"],
];

const STRINGS: readonly string[] = [
  ...["", " ", ".", "..", "../..", "../../../../etc/passwd", "/", "//", "/etc/passwd", "a/../b", "packs/..", "./x"],
  ...["C:\\Windows\\x", "\\\\host\\share", "..\\..\\x", "%2e%2e%2f", "..%2f..", "a\u0000b", "\u0000", "\n", "a\r\nb"],
  ...["\ud800", "\udfff\ud800", "\u202etxt", "\u00e9", "e\u0301", "\uff0e\uff0e\uff0f", "\u2028", "CON", "nul.json"],
  ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "$tensor", "$number", "$$x"],
  ...["1e999", "NaN", "Infinity", "-0", "null", "undefined", "[object Object]", "true", "0", "-1"],
  ...["checkpoints/../../x.json", "checkpoints/00000001-000000000001.json", "packs/00000001-0.pack", "writers/x"],
  ...["x".repeat(65), "x".repeat(300), "../".repeat(200), "9".repeat(400), "x".repeat(5000)],
];

const KEYS: readonly string[] = [
  ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "", "..", "/", "\u0000", "length", "then"],
  ...["$tensor", "$number", "$bigint", "$x", "$$x", "version", "requires", "name", "default", "x".repeat(300)],
];

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.int(from.length)] as T;
}

export function chance(random: Random, probability: number): boolean {
  return random.uniform() < probability;
}

export function hostileString(random: Random): string {
  return pick(random, STRINGS);
}

function hostileValue(random: Random): Json {
  switch (random.int(9)) {
    case 0:
      return null;
    case 1:
      return chance(random, 0.5);
    case 2:
    case 3:
    case 4:
      return pick(random, NUMBERS);
    case 5:
    case 6:
      return hostileString(random);
    case 7:
      return chance(random, 0.5) ? [] : Array.from({ length: random.int(5) }, () => pick(random, NUMBERS));
    default:
      return chance(random, 0.9) ? objectOf([[pick(random, KEYS), pick(random, NUMBERS)]]) : nested(random.int(400));
  }
}

/** Own properties, `__proto__` among them, as a parser makes them. */
function objectOf(entries: readonly (readonly [string, Json])[]): { [key: string]: Json } {
  return Object.fromEntries(entries);
}

function nested(depth: number): Json {
  let value: Json = 1;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

interface Place {
  readonly holder: Json[] | { [key: string]: Json };
  readonly key: string | number;
}

/** Walks down from the root by chance, and stops somewhere. Null where there is nothing to walk to. */
function placeIn(root: Json, random: Random): Place | null {
  let place: Place | null = null;
  let value: Json = root;
  while (typeof value === "object" && value !== null) {
    if (place !== null && chance(random, 0.15)) return place;
    const keys: (string | number)[] = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
    if (keys.length === 0) return place;
    place = { holder: value, key: pick(random, keys) };
    value = (value as { [key: string]: Json })[place.key] as Json;
  }
  return place;
}

function set({ holder, key }: Place, value: Json): void {
  // An assignment to __proto__ would call its setter and make no property.
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

function nudge(value: Json, random: Random): Json {
  if (typeof value === "number") {
    return pick(random, [value + 1, value - 1, -value, value * 2, value + 0.5, value * 1e6, Math.floor(value / 2)]);
  }
  if (typeof value === "string") return mutateText(value, random, 1);
  if (Array.isArray(value)) return chance(random, 0.5) ? [...value, ...value] : value.slice(1);
  return value === null ? 0 : hostileValue(random);
}

/** Changes one thing about a tree, in place. @returns the tree, or what takes its place */
export function mutateJson(root: Json, random: Random): Json {
  const place = placeIn(root, random);
  if (place === null || chance(random, 0.01)) return hostileValue(random);
  const { holder, key } = place;
  const value = (holder as { [key: string]: Json })[key] as Json;
  switch (random.int(8)) {
    case 0:
    case 1:
      set(place, hostileValue(random));
      break;
    case 2:
    case 3:
      set(place, nudge(value, random));
      break;
    case 4:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
      break;
    case 5:
      if (Array.isArray(holder)) holder.splice(random.int(holder.length + 1), 0, structuredClone(value));
      else
        set({ holder, key: pick(random, KEYS) }, chance(random, 0.5) ? structuredClone(value) : hostileValue(random));
      break;
    case 6: {
      const other = placeIn(root, random);
      if (other !== null) set(place, structuredClone((other.holder as { [key: string]: Json })[other.key] as Json));
      break;
    }
    default:
      set(place, pick<Json>(random, [[structuredClone(value)], { a: structuredClone(value) }]));
  }
  return root;
}

const LETTERS = '{}[]",:0-9e.\\u_xa/ \u0000\u00e9$+'.split("");

/** Changes characters, or puts in, takes out and repeats pieces. */
export function mutateText(text: string, random: Random, changes: number = 1 + random.int(3)): string {
  let result = text;
  for (let change = 0; change < changes; change++) {
    const at = random.int(result.length + 1);
    const length = Math.min(1 + random.int(20), result.length - at);
    const piece = result.slice(at, at + length);
    switch (random.int(6)) {
      case 0:
      case 1:
        result = result.slice(0, at) + pick(random, LETTERS) + result.slice(at + 1);
        break;
      case 2:
        result = result.slice(0, at) + result.slice(at + length);
        break;
      case 3:
        result = result.slice(0, at) + piece + piece + result.slice(at + length);
        break;
      case 4:
        result = result.slice(0, at) + hostileString(random) + result.slice(at);
        break;
      default:
        result = result.slice(0, at);
    }
  }
  return result;
}

/** What cannot be said by changing a tree: equal keys, `__proto__` as text, numbers that no parser should take. */
export function mutateJsonText(text: string, random: Random): string {
  const nth = (pattern: RegExp, replace: (match: string) => string): string => {
    const matches = [...text.matchAll(pattern)];
    if (matches.length === 0) return text;
    const match = pick(random, matches);
    return text.slice(0, match.index) + replace(match[0]) + text.slice(match.index + match[0].length);
  };
  switch (random.int(7)) {
    case 0:
    case 1:
      return nth(/-?\d[\d.eE+-]*(?=[,}\]])/g, () => pick(random, NUMBER_TOKENS));
    case 2:
      return nth(/\{(?=")/g, () =>
        pick(random, ['{"__proto__":{"polluted":1},', '{"\\u005f_proto__":{"polluted":1},']),
      );
    case 3:
      // A key a second time, spelt differently or not.
      return nth(/"(\w+)":[^,{}[\]]*,/g, (pair) => pair + (chance(random, 0.5) ? pair : pair.replace(/\w/, escaped)));
    case 4:
      return nth(/"[^"]*"(?=[,}\]:])/g, (token) => token + token);
    case 5:
      return nth(/[[{]/g, (bracket) => bracket.repeat(2 + random.int(600)));
    default:
      return mutateText(text, random);
  }
}

function escaped(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Flips, overwrites, takes out, puts in and repeats bytes. The input is left alone. */
export function mutateBytes(bytes: Uint8Array, random: Random, changes: number = 1 + random.int(4)): Uint8Array {
  let result = Buffer.from(bytes);
  for (let change = 0; change < changes; change++) {
    const at = random.int(result.length + 1);
    const length = Math.min(1 + random.int(16), result.length - at);
    switch (random.int(7)) {
      case 0:
      case 1:
        if (at < result.length) result[at] = (result[at] as number) ^ (1 << random.int(8));
        break;
      case 2:
        if (at < result.length) result[at] = pick(random, [0, 1, 0x7f, 0x80, 0xff, random.int(256)]);
        break;
      case 3:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + length)]);
        break;
      case 4:
        result = Buffer.concat([result.subarray(0, at + length), result.subarray(at)]);
        break;
      case 5:
        result = Buffer.concat([result.subarray(0, at), randomBytesOf(random, 8), result.subarray(at)]);
        break;
      default:
        result = result.subarray(0, at);
    }
  }
  return result;
}

export function randomBytesOf(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: random.int(most + 1) }, () => random.int(256)));
}

/** A file of JSON: a sound one with changes to its tree, its text or its bytes, or a long one of nothing. */
export function hostileFile(sound: object, random: Random): Uint8Array {
  const text = JSON.stringify(sound);
  const kind = random.int(10);
  if (kind < 5) return Buffer.from(JSON.stringify(mutateJson(JSON.parse(text) as Json, random)));
  if (kind < 8) return Buffer.from(mutateJsonText(text, random));
  return kind < 9
    ? mutateBytes(Buffer.from(text), random)
    : Buffer.alloc(random.int(70_000), pick(random, ["[", " ", "{", "9"]));
}
