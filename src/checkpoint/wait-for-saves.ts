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

/** Waits until all have resolved or rejected, at most `timeoutMs`, and no longer than until the signal is aborted. */
export async function waitUntilSettled(
  promises: readonly Promise<unknown>[],
  timeoutMs: number = Number.POSITIVE_INFINITY,
  signal?: AbortSignal | undefined,
): Promise<void> {
  const settled = Promise.allSettled(promises);
  const isOver = new AbortController();
  const ending = signal === undefined ? isOver.signal : AbortSignal.any([signal, isOver.signal]);
  const timeout = systemSleep(timeoutMs, ending).catch(() => undefined);
  await Promise.race([settled, timeout]);
  isOver.abort();
}
