/** The only source of time in Varve, so that tests can hand in their own. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970; information only, never used for ordering. */
  now(): number;
  /** Milliseconds on a clock that never goes backwards; its zero is arbitrary. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
};
