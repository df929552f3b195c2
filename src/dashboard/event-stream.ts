import type { Sleep } from "../base/timers.ts";
import type { FeedPosition, RunFeed } from "./run-feed.ts";

const MOST_IN_BATCH = 500;

/** Longer silence makes proxies and tunnels close a connection. */
const KEEP_ALIVE_MS = 15_000;

/** A reader that takes nothing for so long is dropped. */
const PATIENCE_MS = 30_000;

export interface EventStreamOptions {
  readonly sleep: Sleep;
  /** Ends it: the server closes. */
  readonly signal: AbortSignal;
  /** Cuts the connection. */
  readonly drop: () => void;
  readonly onEnd: () => void;
}

const encoder = new TextEncoder();

/**
 * The records of a run as server-sent events: `reset`, `records` with what there was, `ready`, then `records` as they
 * come. Something is made only when the connection has taken what was made before, so that a slow reader costs nothing.
 */
export function eventStream(feed: RunFeed, options: EventStreamOptions): ReadableStream<Uint8Array> {
  const ended = new AbortController();
  const signal = AbortSignal.any([options.signal, ended.signal]);
  const events = new EventSequence(feed, options.sleep, signal);
  let cancelDrop: (() => void) | null = null;
  const end = (): void => {
    if (ended.signal.aborted) return;
    ended.abort();
    cancelDrop?.();
    options.onEnd();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        cancelDrop?.();
        const text = await events.next();
        if (ended.signal.aborted) return;
        if (text === null) {
          end();
          controller.close();
          return;
        }
        controller.enqueue(encoder.encode(text));
        cancelDrop = after(options, signal, () => {
          end();
          options.drop();
        });
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}

function after({ sleep }: EventStreamOptions, signal: AbortSignal, action: () => void): () => void {
  const taken = new AbortController();
  sleep(PATIENCE_MS, AbortSignal.any([signal, taken.signal])).then(action, () => undefined);
  return () => taken.abort();
}

/** One event after another, as text. */
class EventSequence {
  readonly #feed: RunFeed;
  readonly #sleep: Sleep;
  readonly #signal: AbortSignal;
  #position: FeedPosition | null = null;
  #hasSaidReady = false;

  constructor(feed: RunFeed, sleep: Sleep, signal: AbortSignal) {
    this.#feed = feed;
    this.#sleep = sleep;
    this.#signal = signal;
  }

  /** Waits until there is something to say; null at the end, once everything is said. */
  async next(): Promise<string | null> {
    for (;;) {
      const text = this.#now();
      if (text !== null) return text;
      if (this.#signal.aborted) return null;
      if (await this.#waitsTooLong()) return ": still here\n\n";
    }
  }

  #now(): string | null {
    const feed = this.#feed;
    if (this.#position === null || feed.hasLost(this.#position)) {
      this.#position = feed.start();
      this.#hasSaidReady = false;
      return "event: reset\ndata: {}\n\n";
    }
    const records = feed.take(this.#position, MOST_IN_BATCH - 2);
    if (records.length > 0) return `event: records\ndata: [${records.join(",")}]\n\n`;
    if (this.#hasSaidReady || !feed.isReady) return null;
    this.#hasSaidReady = true;
    return "event: ready\ndata: {}\n\n";
  }

  async #waitsTooLong(): Promise<boolean> {
    const over = new AbortController();
    const signal = AbortSignal.any([this.#signal, over.signal]);
    const silence = this.#sleep(KEEP_ALIVE_MS, signal).then(
      () => true,
      () => false,
    );
    const isSilent = await Promise.race([silence, this.#feed.changed(signal).then(() => false)]);
    over.abort();
    return isSilent;
  }
}
