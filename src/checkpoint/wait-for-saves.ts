import { raceAbort } from "../base/abort.ts";
import { systemSleep } from "../base/timers.ts";
import type { Save } from "./options.ts";

/** Waits until each of the saves is durable or has failed. @throws the signal's reason when it is aborted */
export async function waitForDurable(saves: readonly Save[], signal: AbortSignal | undefined): Promise<void> {
  const settled = Promise.allSettled(saves.map((save) => save.durable));
  await (signal === undefined ? settled : raceAbort(settled, signal));
}

/** Waits until each of the saves is committed or has failed, at most `timeoutMs`. */
export async function waitForSaves(saves: readonly Save[], timeoutMs: number | undefined): Promise<void> {
  await waitUntilSettled(
    saves.map((save) => save.committed),
    timeoutMs,
  );
}

/** Waits until all have resolved or rejected, at most `timeoutMs`. */
export async function waitUntilSettled(
  promises: readonly Promise<unknown>[],
  timeoutMs: number | undefined,
): Promise<void> {
  const settled = Promise.allSettled(promises);
  if (timeoutMs === undefined) {
    await settled;
    return;
  }
  const controller = new AbortController();
  const timeout = systemSleep(timeoutMs, controller.signal).catch(() => undefined);
  await Promise.race([settled, timeout]);
  controller.abort();
}
