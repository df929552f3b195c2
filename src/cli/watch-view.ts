import { printable } from "../base/printable.ts";
import { blockedTimeOf } from "../record/blocked-time.ts";
import { formatObjectName } from "../record/format.ts";
import type { GenerationRecord, UploadJobFacts } from "../record/run-record.ts";
import type { Problem, RunView, SaveView } from "../record/run-view.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { formatBytes, formatCount, formatDuration, formatMetrics, formatScore, plural } from "./format.ts";
import { bar, boundsOf, linePlot, sparkline } from "./plots.ts";
import { errorText } from "./record-lines.ts";
import { cutToWidth } from "./text-width.ts";

/** A line of the view, without escape sequences: it is cut to the width first and coloured afterwards. */
export interface ViewLine {
  readonly text: string;
  readonly tone?: "bold" | "dim" | "red" | "green" | "yellow" | "cyan" | undefined;
}

export interface ViewFrame {
  /** The run's place, as the person named it. */
  readonly place: string;
  readonly width: number;
  /** Rows of the terminal; Infinity where the view is printed once. */
  readonly height: number;
  /** Why the store's checkpoints are not known; null where they are. */
  readonly unlisted: string | null;
  /** Lines of the run's log that could not be read. */
  readonly unreadable: number;
  /** False where there is no log to look at. */
  readonly hasLog: boolean;
}

const LABEL_WIDTH = 11;
const AXIS_WIDTH = 9;
const MOST_PLOT_ROWS = 12;
const LEAST_PLOT_ROWS = 3;
const PLOT_ROWS_UNLIMITED = 6;
const SHOWN_PROBLEMS = 3;
const SHOWN_CHECKPOINTS = 5;
const SHOWN_UPLOADS = 4;
const BAR_WIDTH = 24;

/** A run as text of the given size; what is least needed gives way first. */
export function viewLines(view: RunView, frame: ViewFrame): ViewLine[] {
  const generations = view.generations;
  const head = [titleLine(view, frame), ...(frame.hasLog ? [blockedLine(view)] : [])];
  const facts = frame.hasLog ? [...bufferLines(generations.at(-1)), ...savingLines(view)] : [];
  const problems = problemLines(view, frame);
  const checkpoints = checkpointLines(view, frame);
  const fixed = head.length + facts.length + problems.length + checkpoints.length;
  const rows = frame.height === Number.POSITIVE_INFINITY ? PLOT_ROWS_UNLIMITED : frame.height - fixed - 3;
  const plot = fitnessLines(generations, frame.width, Math.min(MOST_PLOT_ROWS, rows));
  const lines = [...head, ...plot, ...facts, ...problems, ...checkpoints];
  return frame.height === Number.POSITIVE_INFINITY ? lines : lines.slice(0, Math.max(1, frame.height - 1));
}

/** Cuts to the width and colours. */
export function styleLine({ text, tone }: ViewLine, width: number, style: ConsoleOutput["style"]): string {
  const cut = cutToWidth(text, width);
  return tone === undefined ? cut : style[tone](cut);
}

function titleLine({ config, generations, end, sessions }: RunView, { place }: ViewFrame): ViewLine {
  const newest = generations.at(-1);
  const parts = [
    ...(config === null ? [] : [printable(config.environment)]),
    printable(place),
    ...(newest === undefined ? [] : [`generation ${newest.generation}/${newest.generations}`]),
    ...(sessions.length > 1 ? [`resumed ${sessions.length - 1} ×`] : []),
    ...(end === null ? [] : [end.finished ? "finished" : "stopped"]),
  ];
  return { text: parts.join(" · "), tone: "bold" };
}

/** What the whole product is about, so it comes first. */
function blockedLine(view: RunView): ViewLine {
  const { totalMs, longestMs, share } = blockedTimeOf(view);
  const part = share === null ? "" : ` (${Number((100 * share).toPrecision(2))} % of the time)`;
  return line("blocked", `${formatDuration(totalMs)} by saving${part}, longest ${formatDuration(longestMs)}`);
}

function fitnessLines(generations: readonly GenerationRecord[], width: number, rows: number): ViewLine[] {
  const newest = generations.at(-1);
  if (newest === undefined) return [line("fitness", "no generation has ended yet", "dim")];
  const { fitnessMean, fitnessMax, fitnessSpread, validation } = newest;
  const numbers = `mean ${formatScore(fitnessMean)}, max ${formatScore(fitnessMax)}, spread ${formatScore(fitnessSpread)}`;
  const validations = generations.flatMap((each) => each.validation ?? []);
  const trend =
    validation === null ? [] : [line("validation", `${formatScore(validation)} ${spark(validations, width)}`)];
  const plotWidth = width - AXIS_WIDTH - 1;
  if (rows < LEAST_PLOT_ROWS || plotWidth < 10 || generations.length < 2) return [line("fitness", numbers), ...trend];
  const means = generations.map((each) => each.fitnessMean);
  // An axis of nothing would say 0.
  if (!means.some((mean) => Number.isFinite(mean))) return [line("fitness", numbers), ...trend];
  const bounds = boundsOf(means);
  const plot = linePlot(means, plotWidth, rows, bounds).map((row, index): ViewLine => {
    const label = index === 0 ? formatScore(bounds.high) : index === rows - 1 ? formatScore(bounds.low) : "";
    return { text: `${label.padStart(AXIS_WIDTH)} ${row}`, tone: "cyan" };
  });
  return [line("fitness", `${numbers}; mean by generation:`), ...plot, ...trend];
}

function spark(values: readonly number[], width: number): string {
  return sparkline(values.slice(-200), Math.max(0, Math.min(60, width - LABEL_WIDTH - 12)));
}

function bufferLines(newest: GenerationRecord | undefined): ViewLine[] {
  if (newest === undefined) return [];
  const { bufferSize, bufferCapacity, buffer } = newest;
  const fill = `${bar(bufferSize / bufferCapacity, BAR_WIDTH)} ${formatCount(bufferSize)} of ${formatCount(bufferCapacity)}`;
  const { uniqueFrames, residentBytes, logicalBytes } = buffer;
  const frames = uniqueFrames === 0 ? "" : `, ${formatCount(uniqueFrames)} unique frames`;
  return [line("buffer", `${fill}${frames}, ${formatBytes(residentBytes)} resident for ${formatBytes(logicalBytes)}`)];
}

function savingLines(view: RunView): ViewLine[] {
  const { status, saves, degraded } = view;
  const lines = [line("saves", describeSaves(saves, view.end !== null))];
  if (status === null) return lines;
  const { upload, behind, behindBytes, requests, bytesUp, retries } = status.status;
  if (upload.bytesTotal > 0) {
    const share = bar(upload.bytesDone / upload.bytesTotal, BAR_WIDTH);
    lines.push(line("upload", `${share} ${describeMoved(upload)}, ${formatCount(retries)} × tried again`));
    // Of a process that has ended, nothing is under way, whatever it said last.
    if (view.end === null) lines.push(...jobLines(upload.jobs));
  }
  const isBehind = behind > 0 || degraded !== null;
  const away = degraded === null ? "" : `, ${printable(degraded.store)} is away`;
  const sent = `${plural(requests, "request")}, ${formatBytes(bytesUp)} up, ${formatBytes(status.rssBytes)} memory`;
  lines.push(
    line(
      "behind",
      `${plural(behind, "checkpoint")}, ${formatBytes(behindBytes)}${away}`,
      isBehind ? "yellow" : undefined,
    ),
    line("so far", sent),
  );
  return lines;
}

function jobLines(jobs: readonly UploadJobFacts[]): ViewLine[] {
  const shown = jobs.slice(0, SHOWN_UPLOADS).map((job): ViewLine => {
    const { name, bytesDone, bytesTotal, retries } = job;
    const again = retries === 0 ? "" : `, ${formatCount(retries)} × tried again`;
    const share = bar(bytesDone / bytesTotal, BAR_WIDTH);
    return line("", `${share} ${describeMoved(job)}${again}: ${printable(formatObjectName(name))}`, "dim");
  });
  const more = jobs.length - shown.length;
  return more === 0 ? shown : [...shown, line("", `and ${more} more`, "dim")];
}

function describeMoved({ bytesDone, bytesTotal, bytesPerSecond, etaMs }: Omit<UploadJobFacts, "name">): string {
  const parts = [`${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`];
  if (bytesPerSecond > 0) parts.push(`${formatBytes(Math.round(bytesPerSecond))}/s`);
  if (etaMs !== null && etaMs > 0) parts.push(`ETA ${formatDuration(etaMs)}`);
  return parts.join(", ");
}

function describeSaves(saves: readonly SaveView[], isOver: boolean): string {
  const count = (isSuch: (save: SaveView) => boolean): number => saves.filter(isSuch).length;
  const open = isOver ? [] : saves.filter((save) => isUnderWay(save));
  const failed = count(({ failed: failure }) => failure !== null);
  const leftOut = count((save) => save.leftOut !== null);
  return [
    `${count(({ durable }) => durable !== null)} durable`,
    `${count(({ committed }) => committed !== null)} committed`,
    ...(failed === 0 ? [] : [`${failed} failed`]),
    ...(leftOut === 0 ? [] : [`${leftOut} skipped or replaced`]),
    ...(open.length === 0 ? [] : [`under way: ${open.map(({ sequence }) => sequence).join(", ")}`]),
  ].join(", ");
}

function isUnderWay({ durable, failed, leftOut }: SaveView): boolean {
  return durable === null && failed === null && leftOut === null;
}

function problemLines({ problems }: RunView, { unlisted, unreadable, hasLog }: ViewFrame): ViewLine[] {
  const lines = problems.slice(-SHOWN_PROBLEMS).map((problem) => line("problem", problemText(problem), "red"));
  if (unlisted !== null) lines.push(line("store", printable(unlisted), "red"));
  if (unreadable > 0) lines.push(line("log", `${plural(unreadable, "line")} could not be read`, "yellow"));
  if (!hasLog)
    lines.push(line("log", "none here: only what the store holds is shown (--local names its folder)", "dim"));
  return lines;
}

function problemText(problem: Problem): string {
  if (problem.event === "warning") return printable(problem.message);
  const what = problem.event === "failed" ? `save ${problem.sequence}` : "store away";
  return `${what}: ${errorText(problem.error)}`;
}

function checkpointLines({ checkpoints, saves }: RunView, { hasLog }: ViewFrame): ViewLine[] {
  if (checkpoints.length === 0) return [];
  const shown = checkpoints.slice(hasLog ? -SHOWN_CHECKPOINTS : -4 * SHOWN_CHECKPOINTS);
  const rows = shown.map((info): ViewLine => {
    const durable = saves.findLast(({ sequence }) => sequence === info.sequence)?.durable ?? null;
    const facts = [
      `step ${info.step}`.padEnd(LABEL_WIDTH),
      `${formatBytes(info.storedBytes)} in packs`,
      ...(durable === null
        ? []
        : [`${formatBytes(durable.storedBytes)} new, durable in ${formatDuration(durable.elapsedMs)}`]),
      ...(info.pinned ? ["pinned"] : []),
      ...(info.problem === null ? [] : [printable(info.problem)]),
      formatMetrics(info.metrics),
    ];
    return line(
      `#${info.sequence}`,
      facts.filter((part) => part !== "").join(" · "),
      info.problem === null ? undefined : "red",
    );
  });
  return [line("store", `${plural(checkpoints.length, "checkpoint")}, the newest ${shown.length}:`), ...rows.reverse()];
}

function line(label: string, text: string, tone?: ViewLine["tone"]): ViewLine {
  return { text: `${label.padEnd(LABEL_WIDTH)}${text}`, tone };
}
