import { setTimeout as wait } from "node:timers/promises";

/** Resolves after `delayMs`; rejects with `signal.reason` as soon as the signal is aborted. */
export type Sleep = (delayMs: number, signal?: AbortSignal | undefined) => Promise<void>;

/** Sleeps by the machine's timers and keeps the process alive meanwhile. */
export const systemSleep: Sleep = async (delayMs, signal) => {
  try {
    await wait(delayMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    // Node wraps the reason in an AbortError of its own; callers classify by their reason.
    if (signal?.aborted) throw signal.reason;
    throw error;
  }
};

/** Lets whatever has arrived be handled first: promises alone would go on before any event. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Calls `action` again and again, without keeping the process alive. Returns how to stop it. */
export function repeat(intervalMs: number, action: () => void): () => void {
  const timer = setInterval(action, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}
