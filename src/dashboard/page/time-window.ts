/** A stretch of time, in ms since 1970. */
export interface TimeRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What the time-line shows. `spanMs` null: the whole run. `endMs` null: it follows the newest. */
export interface TimeWindow {
  readonly spanMs: number | null;
  readonly endMs: number | null;
}

/** Below this a clock in ms has nothing to show. */
const SHORTEST_SPAN_MS = 50;
const DAY_MS = 86_400_000;

/** @param extent - from the first record to now */
export function rangeOf({ spanMs, endMs }: TimeWindow, extent: TimeRange): TimeRange {
  const toMs = endMs ?? extent.toMs;
  if (spanMs === null) return { fromMs: extent.fromMs, toMs: Math.max(toMs, extent.fromMs + SHORTEST_SPAN_MS) };
  return { fromMs: toMs - spanMs, toMs };
}

/** The whole run where it is younger than the span: it fills the width that it has needed so far. */
export function fitted(window: TimeWindow, extent: TimeRange): TimeWindow {
  const isYoung = window.endMs === null && window.spanMs !== null && window.spanMs > extent.toMs - extent.fromMs;
  return isYoung ? { spanMs: null, endMs: null } : window;
}

/**
 * @param factor - below 1 shows less, larger
 * @param aroundMs - what stays where it is; the end while the window follows the newest
 */
export function zoomed(window: TimeWindow, extent: TimeRange, factor: number, aroundMs: number): TimeWindow {
  const range = rangeOf(window, extent);
  const longest = Math.max(extent.toMs - extent.fromMs, SHORTEST_SPAN_MS);
  const wanted = (range.toMs - range.fromMs) * factor;
  if (wanted >= longest) return { spanMs: null, endMs: null };
  const spanMs = Math.max(SHORTEST_SPAN_MS, wanted);
  if (window.endMs === null) return { spanMs, endMs: null };
  const share = (range.toMs - aroundMs) / (range.toMs - range.fromMs);
  return clamped({ spanMs, endMs: aroundMs + share * spanMs }, extent);
}

/** Moving beyond the newest follows it from then on. */
export function panned(window: TimeWindow, extent: TimeRange, byMs: number): TimeWindow {
  const range = rangeOf(window, extent);
  const spanMs = range.toMs - range.fromMs;
  return clamped({ spanMs, endMs: range.toMs + byMs }, extent);
}

/** Shows this instant in the middle, with the span as it is. */
export function centred(window: TimeWindow, extent: TimeRange, atMs: number): TimeWindow {
  const range = rangeOf(window, extent);
  if (atMs >= range.fromMs && atMs <= range.toMs) return window;
  const spanMs = range.toMs - range.fromMs;
  return clamped({ spanMs, endMs: atMs + spanMs / 2 }, extent);
}

function clamped({ spanMs, endMs }: { spanMs: number; endMs: number }, extent: TimeRange): TimeWindow {
  if (endMs >= extent.toMs) return { spanMs, endMs: null };
  return { spanMs, endMs: Math.max(endMs, extent.fromMs + spanMs) };
}

const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200] as const;
const STEPS_MS: readonly number[] = [10, 20, 50, 100, 200, 500, ...SECONDS.map((seconds) => seconds * 1000)];

/** Round instants within a range, `most` at most, in ms since 1970; and the step between them. */
export function timeTicks(
  { fromMs, toMs }: TimeRange,
  most: number,
): { readonly atMs: readonly number[]; readonly stepMs: number } {
  const fits = (stepMs: number): boolean => (toMs - fromMs) / stepMs <= most;
  const days = Math.max(1, Math.ceil((toMs - fromMs) / DAY_MS / most));
  const stepMs = STEPS_MS.find(fits) ?? days * DAY_MS;
  const atMs: number[] = [];
  for (let at = Math.ceil(fromMs / stepMs) * stepMs; at <= toMs; at += stepMs) atMs.push(at);
  return { atMs, stepMs };
}
