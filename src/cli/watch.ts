import type { Command } from "commander";
import { systemSleep } from "../base/timers.ts";
import { withoutSecrets } from "../base/without-secrets.ts";
import { ConfigError } from "../index.ts";
import { recordFileOf } from "../record/read-records.ts";
import type { RunRecord } from "../record/run-record.ts";
import { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode, type Finish } from "./exit-codes.ts";
import { plural } from "./format.ts";
import { assertFolder } from "./opened-run.ts";
import { recordLine } from "./record-lines.ts";
import { TerminalScreen } from "./terminal-screen.ts";
import { localFolderOf } from "./train-place.ts";
import { styleLine, type ViewFrame, viewLines } from "./watch-view.ts";
import { WatchedRun } from "./watched-run.ts";

interface WatchFlags {
  readonly local?: string;
  readonly json?: boolean;
  readonly once?: boolean;
}

/** How often the run's log is looked at: a person does not see more. */
const LOOK_EVERY_MS = 250;
const DEFAULT_COLUMNS = 80;

const HELP = `
Reads logs/metrics.jsonl of the run's folder, and lists the checkpoints of its store. Nothing is written, and a trainer
is not disturbed. q or Ctrl-C ends it with 0, and with 130 where --once had not printed yet. Where no terminal is, or one
that cannot move its cursor (TERM=dumb), there is a line for each generation and each save, and it ends by itself when the
run has ended, or when nobody reads its lines any more.`;

/** Adds `varve watch`. */
export function addWatchCommand(program: Command, finish: Finish): void {
  program
    .command("watch")
    .description("look at a run in the terminal, while it trains or afterwards")
    .argument("<store>", "the run's folder or URL")
    .option("--local <folder>", "the run's folder on local disk, where its store is elsewhere")
    .option("--once", "print what there is, and end")
    .option("--json", "print each record as one line, as it comes")
    .addHelpText("after", HELP)
    .action(async (store: string, flags: WatchFlags) => {
      finish(await watch(store, flags));
    });
}

async function watch(store: string, flags: WatchFlags): Promise<ExitCode> {
  const { local, once = false } = flags;
  const ofStore = localFolderOf({ store, local: undefined });
  if (ofStore !== null) assertFolder(ofStore, store);
  if (local !== undefined) assertFolder(local, local);
  const folder = local ?? ofStore;
  const output = new ConsoleOutput({ json: flags.json });
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  // Once: a second one ends the process as ever.
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  output.onReaderGone(onSignal);
  const log = folder === null ? null : recordFileOf(folder);
  const run = new WatchedRun({ store, log, signal: stop.signal });
  try {
    await present(run, output, { ...flags, place: withoutSecrets(store) }, stop);
    return EXIT.ok;
  } catch (error) {
    if (error !== stop.signal.reason) throw error;
    return once ? EXIT.interrupted : EXIT.ok;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    await run.close();
  }
}

async function present(
  run: WatchedRun,
  output: ConsoleOutput,
  { place, json = false, once = false }: WatchFlags & { readonly place: string },
  stop: AbortController,
): Promise<void> {
  if (output.canDraw && !json && !once) {
    await drawUntilStopped(run, output, place, stop);
    return;
  }
  const isLine = json || !once;
  const print = (record: RunRecord): void => {
    const text = json ? JSON.stringify(record) : recordLine(record);
    if (text !== null && isLine) output.line(text);
  };
  await run.look(print);
  const listed = await run.list();
  stop.signal.throwIfAborted();
  if (!run.hasLog && run.unlisted !== null)
    throw new ConfigError(`There is nothing to watch at ${place}: ${run.unlisted}`);
  if (listed !== null) print(listed);
  if (!once) await follow(run, print, stop.signal);
  const size = { width: output.stream.columns ?? DEFAULT_COLUMNS, height: Number.POSITIVE_INFINITY };
  if (isLine) warnOfLosses(run, output);
  else output.line(render(run, output, { place, ...size }));
}

async function follow(run: WatchedRun, print: (record: RunRecord) => void, signal: AbortSignal): Promise<void> {
  while (!run.isOver && (await pause(signal))) {
    await run.look(print);
    const listed = await run.list();
    if (listed !== null) print(listed);
  }
}

/** Draws again and again, until a key or a signal ends it. */
async function drawUntilStopped(
  run: WatchedRun,
  output: ConsoleOutput,
  place: string,
  stop: AbortController,
): Promise<void> {
  const draw = (): void => screen.draw(render(run, output, { place, ...screen.size }).split("\n"));
  const screen = new TerminalScreen(output.stream, { onResize: draw, onQuit: () => stop.abort() });
  const failures: unknown[] = [];
  const onFailure = (error: unknown): void => {
    failures.push(error);
    stop.abort();
  };
  try {
    do {
      await run.look();
      draw();
      // Not awaited: a store that does not answer holds nothing up.
      run.list().catch(onFailure);
    } while (await pause(stop.signal));
  } catch (error) {
    // Reading the log ends because of the failure, and that is what is told.
    if (failures.length === 0) throw error;
  } finally {
    screen.close();
  }
  if (failures.length > 0) throw failures[0];
}

function warnOfLosses(run: WatchedRun, output: ConsoleOutput): void {
  if (run.unlisted !== null) output.warn(`WARNING: ${run.unlisted}`);
  if (run.unreadable > 0) output.warn(`WARNING: ${plural(run.unreadable, "line")} of the log could not be read`);
}

function render(run: WatchedRun, output: ConsoleOutput, frame: Pick<ViewFrame, "place" | "width" | "height">): string {
  const { hasLog, unlisted, unreadable } = run;
  const lines = viewLines(run.view, { ...frame, hasLog, unlisted, unreadable });
  return lines.map((line) => styleLine(line, frame.width, output.style)).join("\n");
}

/** @returns false once it is to end */
async function pause(signal: AbortSignal): Promise<boolean> {
  try {
    await systemSleep(LOOK_EVERY_MS, signal);
    return true;
  } catch (error) {
    if (!signal.aborted) throw error;
    return false;
  }
}
