/**
 * JSON from a source that is not to be trusted. Node's parser silently takes the last of two equal keys, makes own
 * properties of the name `__proto__`, and nests as deep as memory lasts; all three are refused here, before anything
 * is built. Whatever else is wrong with the text is left to the parser.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;
const CLOSE_OBJECT = 0x7d;
const CLOSE_ARRAY = 0x5d;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Parses UTF-8 JSON strictly.
 *
 * @param maxDepth - levels of arrays and objects that may lie within each other
 * @throws Error saying what is wrong: invalid UTF-8 or JSON, a duplicate key, `__proto__`, nested too deep
 */
export function parseStrictJson(bytes: Uint8Array, maxDepth: number): unknown {
  const text = decoder.decode(bytes);
  checkStructure(text, maxDepth);
  return JSON.parse(text);
}

/** Follows strings, nesting and keys only; right for every valid text, and harmless for any other. */
function checkStructure(text: string, maxDepth: number): void {
  /** The keys met so far, for each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  /** Where the next string is a key: those of its object so far. */
  let keys: Set<string> | null = null;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      const end = endOfString(text, i);
      if (keys !== null) addKey(keys, text, i, end);
      keys = null;
      i = end;
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      if (open.length >= maxDepth) throw new Error(`nested deeper than ${maxDepth} levels`);
      keys = code === OPEN_OBJECT ? new Set() : null;
      open.push(keys);
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      open.pop();
      keys = null;
    } else if (code === COMMA) {
      keys = open.at(-1) ?? null;
    }
  }
}

/** The index of the closing quote: the first one with an even number of backslashes before it. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((end - before) % 2 === 1) return end;
  }
  throw new Error("a string has no end");
}

function addKey(keys: Set<string>, text: string, start: number, end: number): void {
  const raw = text.slice(start + 1, end);
  // Two spellings of one key are one key.
  const key = raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw;
  if (key === "__proto__") throw new Error('the key "__proto__" is not allowed');
  if (keys.has(key)) throw new Error(`the key ${JSON.stringify(key.slice(0, 80))} occurs twice`);
  keys.add(key);
}
