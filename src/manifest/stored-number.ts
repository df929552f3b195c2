/** A number in a manifest: what JSON cannot say is text, and NaN is null. */
export type StoredNumber = number | null | "Infinity" | "-Infinity" | "-0";

export function toStoredNumber(value: number): StoredNumber {
  if (Number.isNaN(value)) return null;
  if (Object.is(value, -0)) return "-0";
  if (value === Number.POSITIVE_INFINITY) return "Infinity";
  return value === Number.NEGATIVE_INFINITY ? "-Infinity" : value;
}

export function fromStoredNumber(stored: StoredNumber): number {
  return stored === null ? Number.NaN : Number(stored);
}

/** The metrics of a checkpoint as the user gave them. */
export function metricsOf(stored: Readonly<Record<string, StoredNumber>>): Record<string, number> {
  return Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, fromStoredNumber(value)]));
}
