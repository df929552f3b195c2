import { formatBytes, formatCount, formatDuration, formatScore } from "../record/format.ts";

export { formatBytes, formatCount, formatDuration, formatScore };

/** How much smaller `stored` is than `logical`, as `99.6 % smaller`; what is tiny may also be `12.0 % larger`. */
export function formatSmaller(logicalBytes: number, storedBytes: number): string {
  const percent = logicalBytes === 0 ? 0 : 100 * (1 - storedBytes / logicalBytes);
  return `${Math.abs(percent).toFixed(1)} % ${percent < 0 ? "larger" : "smaller"}`;
}

/** `1 save`, `2 saves`. @param several - where an s would not do */
export function plural(count: number, noun: string, several = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : several}`;
}

/** A word as a shell takes it. */
export function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** `validation 12.3, loss 0.05`. */
export function formatMetrics(metrics: Readonly<Record<string, number>>): string {
  return Object.entries(metrics)
    .map(([name, value]) => `${name} ${formatScore(value)}`)
    .join(", ");
}
