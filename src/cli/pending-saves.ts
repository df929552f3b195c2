import { SingleBar } from "cli-progress";
import { repeat } from "../base/timers.ts";
import type { Checkpointer, CheckpointerStatus, WaitResult } from "../index.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { formatBytes, formatCount, formatDuration, plural } from "./format.ts";

const REFRESH_MS = 100;

/** Waits until every save is committed or has failed, and shows how far it is. */
export async function finishPendingSaves(checkpointer: Checkpointer, output: ConsoleOutput): Promise<WaitResult> {
  const total = unfinished(checkpointer);
  if (total === 0) return checkpointer.waitUntilFinished();
  output.message(`Waiting for ${plural(total, "background save")}…`);
  const stop = output.canDraw && !output.quiet ? showBar(checkpointer, output, total) : undefined;
  const result = await checkpointer.waitUntilFinished();
  stop?.();
  const { behind } = checkpointer.status();
  const left = behind === 0 ? "" : `, ${behind} not in the store yet`;
  output.message(`${result.succeeded} succeeded, ${result.failed} failed${left}`);
  return result;
}

function unfinished(checkpointer: Checkpointer): number {
  const { pending, behind } = checkpointer.status();
  return Math.max(pending, behind);
}

/** The bar gives way to a message that comes meanwhile, and is drawn again below it at the next refresh. */
function showBar(checkpointer: Checkpointer, output: ConsoleOutput, total: number): () => void {
  const format = "{bar} {value}/{total} saves, {moved}";
  // Neither hides the cursor nor changes how lines wrap: a second Ctrl-C ends the process without a chance to undo it.
  const terminal = { hideCursor: false, linewrap: true, gracefulExit: false, barsize: 20 };
  const bar = new SingleBar({ stream: output.stream, format, clearOnComplete: true, ...terminal });
  let isShown = false;
  const draw = () => {
    const value = Math.max(0, total - unfinished(checkpointer));
    const facts = { moved: describeMoved(checkpointer.status()) };
    if (isShown) bar.update(value, facts);
    else bar.start(total, value, facts);
    isShown = true;
  };
  const hide = () => {
    if (isShown) bar.stop();
    isShown = false;
  };
  output.yieldBar(hide);
  draw();
  const stopTimer = repeat(REFRESH_MS, draw);
  return () => {
    stopTimer();
    hide();
    output.yieldBar(null);
  };
}

/** How much of what is to be written is there, how fast it goes, and when it ends. */
function describeMoved({ bytes, upload }: CheckpointerStatus): string {
  const { bytesDone, bytesTotal, bytesPerSecond, etaMs, waiting, running, retries } = upload;
  if (bytesTotal === 0) return `${formatBytes(bytes)} written`;
  // The least important comes last: a terminal of 80 columns cuts what is longer.
  const parts = [`${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`];
  if (bytesPerSecond > 0) parts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (etaMs !== null && waiting + running > 0) parts.push(`ETA ${formatDuration(etaMs)}`);
  if (retries > 0) parts.push(`${formatCount(retries)} × tried again`);
  return parts.join(", ");
}
