import { formatBytes, formatDuration, formatScore } from "../../record/format.ts";

/** What stands for something that nobody knows. */
export const UNKNOWN = "–";

const DAY_MS = 86_400_000;

/**
 * The reader's local time of day, as exact as the step between ticks: 12:04, 12:04:30, 12:04:30.25; from a day on the
 * date as well.
 */
export function formatClock(atMs: number, stepMs: number): string {
  const at = new Date(atMs);
  if (stepMs >= DAY_MS) return `${at.getMonth() + 1}-${pad(at.getDate())}`;
  const minutes = `${pad(at.getHours())}:${pad(at.getMinutes())}`;
  if (stepMs >= 60_000) return minutes;
  const seconds = `${minutes}:${pad(at.getSeconds())}`;
  if (stepMs >= 1000) return seconds;
  return `${seconds}.${String(at.getMilliseconds())
    .padStart(3, "0")
    .slice(0, stepMs >= 100 ? 1 : 2)}`;
}

/** With the date: 2026-08-03 12:04:30, local time. */
export function formatMoment(atMs: number): string {
  const at = new Date(atMs);
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  return `${day} ${formatClock(atMs, 1000)}`;
}

const pad = (value: number): string => String(value).padStart(2, "0");

/** 3 s, 4 min, 2 h 5 min, 3 d: how long something lasts or has lasted, for a reader who glances. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 || minutes >= 10 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(Math.round(bytesPerSecond))}/s`;
}

/** 42 %, 0.3 %, 0.0021 %: two digits, because what matters here is small. */
export function formatShare(share: number): string {
  const percent = share * 100;
  if (percent === 0) return "0 %";
  return `${percent >= 10 ? Math.round(percent) : Number(percent.toPrecision(2))} %`;
}

export function orUnknown<Value>(value: Value | null, format: (value: Value) => string): string {
  return value === null ? UNKNOWN : format(value);
}

/** A score at an axis, where all are round: -200 beside -1,000. */
export const formatTick = (score: number): string => formatScore(score).replace(/\.0+$/, "");

export const bytesOrUnknown = (bytes: number | null): string => orUnknown(bytes, formatBytes);
export const durationOrUnknown = (ms: number | null): string => orUnknown(ms, formatDuration);
