import type { GenerationRecord, WaitedRecord } from "../../record/run-record.ts";
import { formatClock } from "./page-format.ts";
import type { AwayPeriod } from "./run-model.ts";
import type { SaveBar } from "./save-bars.ts";
import type { ColourName, Theme } from "./theme.ts";
import { AXIS_TOP, rowNamed, TIME_LINE_HEIGHT, type TimeLineRow } from "./time-line-rows.ts";
import { type TimeRange, timeTicks } from "./time-window.ts";
import { phaseBars, phaseShares, TRAINING_PHASES, visibleGenerations } from "./training-time.ts";

/** What is drawn. All times in ms since 1970. */
export interface TimeLinePicture {
  readonly range: TimeRange;
  readonly generations: readonly GenerationRecord[];
  readonly waits: readonly WaitedRecord[];
  readonly bars: readonly SaveBar[];
  readonly aways: readonly AwayPeriod[];
  readonly sessionsAtMs: readonly number[];
  /** The generation under way, of which nothing is known but that it is; null where there is none. */
  readonly underWay: TimeRange | null;
  readonly selectedSequence: number | null;
}

/** Generations narrower than this are drawn as shares of each column's time. */
const NARROWEST_GENERATION_PX = 4;
/** Wide enough to hold several of those: narrower columns would beat against them. */
const COLUMN_PX = 12;
const TICK_WIDTH_PX = 76;
const LINE_PX = 2;

/** Draws the time-line. Cost: O(what is visible + saves); 10,000 generations take about a millisecond. */
export function drawTimeLine(canvas: HTMLCanvasElement, theme: Theme, picture: TimeLinePicture): void {
  const scale = window.devicePixelRatio;
  const width = canvas.clientWidth;
  const context = canvas.getContext("2d");
  if (context === null || width === 0) return;
  const [pixelWidth, pixelHeight] = [Math.round(width * scale), Math.round(TIME_LINE_HEIGHT * scale)];
  if (canvas.width !== pixelWidth) canvas.width = pixelWidth;
  if (canvas.height !== pixelHeight) canvas.height = pixelHeight;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, TIME_LINE_HEIGHT);
  const pen = new Pen(context, theme, picture.range, width);
  drawAxis(pen);
  for (const away of picture.aways) {
    pen.bar(rowNamed("upload"), away.fromMs, away.toMs ?? picture.range.toMs, "away", 0.28);
  }
  const { underWay } = picture;
  if (underWay !== null) pen.bar(rowNamed("training"), underWay.fromMs, underWay.toMs, "muted", 0.3);
  drawTraining(pen, picture.generations);
  drawWaits(pen, picture.waits);
  drawSaves(pen, picture.bars, picture.selectedSequence);
  for (const atMs of picture.sessionsAtMs) pen.upright(atMs, "ink");
}

/** Draws in times and rows instead of pixels. */
class Pen {
  readonly context: CanvasRenderingContext2D;
  readonly theme: Theme;
  readonly range: TimeRange;
  readonly width: number;
  readonly pixelsPerMs: number;

  constructor(context: CanvasRenderingContext2D, theme: Theme, range: TimeRange, width: number) {
    this.context = context;
    this.theme = theme;
    this.range = range;
    this.width = width;
    this.pixelsPerMs = width / (range.toMs - range.fromMs);
  }

  x(atMs: number): number {
    return (atMs - this.range.fromMs) * this.pixelsPerMs;
  }

  isVisible({ fromMs, toMs }: TimeRange): boolean {
    return toMs >= this.range.fromMs && fromMs <= this.range.toMs;
  }

  /** At least a pixel wide: what happened is seen, however short it was. */
  bar(
    { top, height }: Pick<TimeLineRow, "top" | "height">,
    fromMs: number,
    toMs: number,
    colour: ColourName,
    share = 1,
  ) {
    if (!this.isVisible({ fromMs, toMs })) return;
    const from = Math.max(0, this.x(fromMs));
    const to = Math.min(this.width, this.x(toMs));
    this.context.fillStyle = share === 1 ? this.theme.colour(colour) : this.theme.tint(colour, share);
    this.context.fillRect(from, top, Math.max(1, to - from), height);
  }

  upright(atMs: number, colour: ColourName): void {
    if (!this.isVisible({ fromMs: atMs, toMs: atMs })) return;
    this.context.fillStyle = this.theme.colour(colour);
    this.context.fillRect(Math.round(this.x(atMs)), 0, 1, AXIS_TOP);
  }
}

function drawAxis(pen: Pen): void {
  const { context, theme, range, width } = pen;
  const ticks = timeTicks(range, Math.max(3, Math.floor(width / TICK_WIDTH_PX)));
  context.font = `11px ${theme.font}`;
  context.textBaseline = "top";
  for (const atMs of ticks.atMs) {
    const x = Math.round(pen.x(atMs));
    context.fillStyle = theme.colour("grid");
    context.fillRect(x, 0, 1, AXIS_TOP);
    const label = formatClock(atMs, ticks.stepMs);
    const half = context.measureText(label).width / 2;
    context.fillStyle = theme.colour("muted");
    context.fillText(label, Math.min(Math.max(0, x - half), width - 2 * half), AXIS_TOP + 5);
  }
}

function drawTraining(pen: Pen, generations: readonly GenerationRecord[]): void {
  const [from, to] = visibleGenerations(generations, pen.range);
  if (from === to) return;
  const isNarrow = pen.width / (to - from) < NARROWEST_GENERATION_PX;
  if (isNarrow) drawShares(pen, generations);
  const row = rowNamed("training");
  for (let index = from; index < to; index++) {
    const generation = generations[index];
    if (generation === undefined) break;
    if (!isNarrow) for (const bar of phaseBars(generation)) pen.bar(row, bar.fromMs, bar.toMs, bar.phase);
    const { atMs, blockedMs } = generation;
    if (blockedMs > 0) pen.bar(rowNamed("blocked"), atMs - blockedMs, atMs, "blocked");
  }
}

/** As high as the share of the time that they took: of many short waits only where the first and the last were is known. */
function drawWaits(pen: Pen, waits: readonly WaitedRecord[]): void {
  const row = rowNamed("blocked");
  for (const { waitingAtMs, atMs, blockedMs } of waits) {
    const share = Math.min(1, blockedMs / Math.max(1, atMs - waitingAtMs));
    const height = Math.max(LINE_PX, row.height * share);
    pen.bar({ top: row.top + row.height - height, height }, waitingAtMs, atMs, "blocked");
  }
}

/** Each column stacks the phases by their time in it; what is left of its height was none of them. */
function drawShares(pen: Pen, generations: readonly GenerationRecord[]): void {
  const columnCount = Math.max(1, Math.ceil(pen.width / COLUMN_PX));
  const range = { fromMs: pen.range.fromMs, toMs: pen.range.fromMs + (columnCount * COLUMN_PX) / pen.pixelsPerMs };
  const shares = phaseShares(generations, range, columnCount);
  const { top, height } = rowNamed("training");
  TRAINING_PHASES.forEach((phase, index) => {
    pen.context.fillStyle = pen.theme.colour(phase);
    for (let column = 0; column < columnCount; column++) {
      const below = sum(shares, column * 3, column * 3 + index);
      const share = shares[column * 3 + index] ?? 0;
      if (share === 0) continue;
      pen.context.fillRect(column * COLUMN_PX, top + height * (1 - below - share), COLUMN_PX, height * share);
    }
  });
}

function sum(values: Float32Array, from: number, to: number): number {
  let total = 0;
  for (let index = from; index < to; index++) total += values[index] ?? 0;
  return total;
}

function drawSaves(pen: Pen, bars: readonly SaveBar[], selectedSequence: number | null): void {
  for (const bar of bars) {
    if (!pen.isVisible(bar)) continue;
    const row = rowNamed(bar.row);
    if (bar.kind === "failed") drawCross(pen, row, bar.fromMs);
    else if (bar.kind === "wait") {
      const line = { top: row.top + row.height - LINE_PX, height: LINE_PX };
      pen.bar(line, bar.fromMs, bar.toMs, bar.row, 0.6);
    } else pen.bar(row, bar.fromMs, bar.toMs, bar.row, bar.isOpen ? 0.55 : 1);
    if (bar.save.sequence === selectedSequence) drawFrame(pen, row, bar);
  }
}

function drawFrame(pen: Pen, { top, height }: TimeLineRow, bar: TimeRange): void {
  const x = pen.x(bar.fromMs);
  pen.context.strokeStyle = pen.theme.colour("ink");
  pen.context.lineWidth = 1.5;
  pen.context.strokeRect(x - 1.5, top - 1.5, Math.max(1, pen.x(bar.toMs) - x) + 3, height + 3);
}

function drawCross(pen: Pen, { top, height }: TimeLineRow, atMs: number): void {
  const { context } = pen;
  const [x, y, arm] = [pen.x(atMs), top + height / 2, 5];
  context.strokeStyle = pen.theme.colour("bad");
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(x - arm, y - arm);
  context.lineTo(x + arm, y + arm);
  context.moveTo(x + arm, y - arm);
  context.lineTo(x - arm, y + arm);
  context.stroke();
}
