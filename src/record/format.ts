const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** Decimal units, three digits: 1 MB = 1,000,000 bytes. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${UNITS[unit]}`;
}

/** 0.031 ms, 12.4 ms, 3.1 s, 2 min 5 s. */
export function formatDuration(ms: number): string {
  if (ms < 1) return `${Number(ms.toPrecision(2))} ms`;
  if (ms < 100) return `${Number(ms.toPrecision(3))} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  const seconds = ms / 1000;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** A pack's name holds 64 digits of its content's hash: enough of them to tell it from the others under way. */
export function formatObjectName(name: string): string {
  return name.length <= 40 ? name : `${name.slice(0, 26)}…${name.slice(-5)}`;
}

/** 12,345 */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** A fitness or another measured number: as many digits as a person reads. */
export function formatScore(score: number): string {
  if (!Number.isFinite(score)) return String(score);
  return Math.abs(score) >= 1000 ? formatCount(Math.round(score)) : score.toFixed(Math.abs(score) < 10 ? 2 : 1);
}
