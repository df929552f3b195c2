/** Time and timers of the page, so that tests can hand in their own; those of src/base are Node's. */
export interface BrowserTime {
  /** Ms since 1970 by this machine's clock. The records carry the trainer's, which may be another machine's. */
  now(): number;
  /** Returns how to call it off. */
  after(delayMs: number, action: () => void): () => void;
  every(intervalMs: number, action: () => void): () => void;
}

/* oxlint-disable no-restricted-globals, no-restricted-properties -- this is the one place for them in the page */
export const browserTime: BrowserTime = {
  now: () => Date.now(),
  after: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
  every: (intervalMs, action) => {
    const timer = setInterval(action, intervalMs);
    return () => clearInterval(timer);
  },
};
