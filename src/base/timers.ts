/** Resolves after `delayMs`, or never if that is Infinity; rejects with `signal.reason` as soon as the signal is aborted. */
export type Sleep = (delayMs: number, signal?: AbortSignal | undefined) => Promise<void>;

/** Timers of Node count up to 2^31 - 1 ms; a longer one would end at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Sleeps by the machine's timers, however long, and keeps the process alive meanwhile, unless it is for ever. */
export const systemSleep: Sleep = (delayMs, signal) =>
  new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const sleep = (leftMs: number): void => {
      if (leftMs === Number.POSITIVE_INFINITY) return;
      const isLast = !(leftMs > LONGEST_TIMER_MS);
      timer = setTimeout(isLast ? wake : () => sleep(leftMs - LONGEST_TIMER_MS), Math.min(leftMs, LONGEST_TIMER_MS));
    };
    const wake = (): void => {
      signal?.removeEventListener("abort", abort);
      resolve();
    };
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    if (signal?.aborted === true) return abort();
    signal?.addEventListener("abort", abort, { once: true });
    sleep(delayMs);
  });

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
