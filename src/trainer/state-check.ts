import { ConfigError } from "../index.ts";

const COUNTS: ReadonlySet<string> = new Set(["generation", "frames", "steps", "updates"]);

/** Arrays whose length is the run's age, not its shape. */
export type GrowingLengths = Readonly<Record<string, number>>;

/**
 * Compares a state that was read with one of the same trainer: every array must have its type and length, every number
 * must be one. A state that does not fit would be written beside its place, or half of it.
 *
 * @param growing - the lengths of what grows with every generation, by name
 * @throws ConfigError naming the first place that does not fit
 */
export function assertStateFits(state: unknown, pattern: unknown, growing: GrowingLengths): void {
  const fault = findFault(state, pattern, growing, "");
  if (fault === null) return;
  throw new ConfigError(`The checkpoint's trainer state does not fit this run: ${fault}`, {
    hint: "It was written by another program, or by another version of this one.",
  });
}

function findFault(value: unknown, pattern: unknown, growing: GrowingLengths, path: string): string | null {
  const [is, expected] = [kindOf(value), kindOf(pattern)];
  if (is !== expected) return `${path || "it"} is ${is}, expected ${expected}`;
  if (ArrayBuffer.isView(pattern)) {
    const [length, wanted] = [lengthOf(value), growing[path] ?? lengthOf(pattern)];
    return length === wanted ? null : `${path} has ${length} values, expected ${wanted}`;
  }
  if (Array.isArray(pattern)) {
    const values = value as readonly unknown[];
    if (values.length !== pattern.length) return `${path} has ${values.length} entries, expected ${pattern.length}`;
    return firstFault(pattern.entries(), (place, each) => findFault(values[place], each, growing, `${path}[${place}]`));
  }
  if (typeof pattern !== "object" || pattern === null) return null;
  const values = value as Readonly<Record<string, unknown>>;
  return firstFault(Object.entries(pattern), (key, each) => {
    const place = path === "" ? key : `${path}.${key}`;
    if (!Object.hasOwn(values, key)) return `${place} is missing`;
    const found = values[key];
    const isCount = typeof found === "number" && Number.isSafeInteger(found) && found >= 0;
    if (COUNTS.has(key) && !isCount) return `${place} is no count`;
    return findFault(found, each, growing, place);
  });
}

function firstFault<Key>(
  entries: Iterable<readonly [Key, unknown]>,
  check: (key: Key, pattern: unknown) => string | null,
): string | null {
  for (const [key, pattern] of entries) {
    const fault = check(key, pattern);
    if (fault !== null) return fault;
  }
  return null;
}

function lengthOf(array: unknown): number {
  return (array as { readonly length: number }).length;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (ArrayBuffer.isView(value)) return value.constructor.name;
  return typeof value;
}
