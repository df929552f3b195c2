import { isVarveError, type StoreError } from "../index.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

/**
 * Runs what a first Ctrl-C, or SIGTERM, may end in good order; a second one ends the process as ever.
 *
 * @param goOn - said when it was ended: how to go on
 */
export async function interruptible(
  output: ConsoleOutput,
  goOn: string,
  work: (signal: AbortSignal) => Promise<ExitCode>,
): Promise<ExitCode> {
  const stop = new AbortController();
  let exitCode: ExitCode = EXIT.interrupted;
  const onInterrupt = (): void => stop.abort();
  const onTerminate = (): void => {
    exitCode = EXIT.preempted;
    stop.abort();
  };
  process.once("SIGINT", onInterrupt);
  process.once("SIGTERM", onTerminate);
  try {
    return await work(stop.signal);
  } catch (error) {
    const isAborted =
      error === stop.signal.reason || (isVarveError(error, "VARVE_STORE") && (error as StoreError).kind === "aborted");
    if (!stop.signal.aborted || !isAborted) throw error;
    output.warn(`Interrupted. ${goOn}`);
    return exitCode;
  } finally {
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", onTerminate);
  }
}
