import { SingleBar } from "cli-progress";
import type { ConsoleOutput } from "./console-output.ts";
import { formatBytes } from "./format.ts";

/** Told how far something is; the whole may still grow. */
export type ShowProgress = (progress: { readonly bytesDone: number; readonly bytesTotal: number }) => void;

/** Runs `work` with a bar of its bytes, where a person watches a terminal; it gives way to whatever is printed. */
export async function withBar<Result>(
  output: ConsoleOutput,
  what: string,
  work: (show: ShowProgress) => Promise<Result>,
): Promise<Result> {
  if (!output.canDraw) return work(() => undefined);
  const bar = new SingleBar({
    ...{ stream: output.stream, format: `${what} {bar} {percentage} %, {moved}`, clearOnComplete: true },
    ...{ hideCursor: false, linewrap: true, gracefulExit: false },
  });
  let isShown = false;
  const hide = (): void => {
    if (isShown) bar.stop();
    isShown = false;
  };
  output.yieldBar(hide);
  try {
    return await work(({ bytesDone, bytesTotal }) => {
      const facts = { moved: `${formatBytes(Math.round(bytesDone))} of ${formatBytes(Math.round(bytesTotal))}` };
      if (isShown) bar.setTotal(bytesTotal);
      if (isShown) bar.update(bytesDone, facts);
      else bar.start(bytesTotal, bytesDone, facts);
      isShown = true;
    });
  } finally {
    hide();
    output.yieldBar(null);
  }
}
