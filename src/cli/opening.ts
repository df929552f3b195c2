import { systemSleep } from "../base/timers.ts";
import { isVarveError } from "../index.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { quoteForShell } from "./format.ts";

/** Failures are tried again for a quarter of a minute and longer: so long nobody wants to look at nothing. */
const PATIENCE_MS = 3_000;

/** Opens what a person named by `store`, and says how to find out more where that takes long or fails. */
export async function opening<Result>(
  output: Pick<ConsoleOutput, "warn">,
  store: string,
  open: () => Promise<Result>,
  sleep: typeof systemSleep = systemSleep,
): Promise<Result> {
  const opened = new AbortController();
  sleep(PATIENCE_MS, opened.signal).then(
    () => output.warn(`${store} has not answered yet; requests are tried again.`),
    () => undefined,
  );
  try {
    return await open();
  } catch (error) {
    if (isVarveError(error, "VARVE_STORE")) {
      output.warn(`${store} could not be used. What is wrong with it: varve doctor ${quoteForShell(store)}`);
    }
    throw error;
  } finally {
    opened.abort();
  }
}
