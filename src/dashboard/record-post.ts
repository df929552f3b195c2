import type { RunRecord } from "../record/run-record.ts";

/** Beyond, a status is left out: a newer one comes. */
const MOST_BEFORE_STATUS = 100;

/** About 10 MB. A thread that is so far behind stands still. */
const MOST_WAITING = 10_000;

/**
 * Posts records to the dashboard's thread without ever waiting, and without a queue that grows for ever where that thread
 * does not keep up: what is left out then is said as soon as there is room.
 */
export class RecordPost {
  readonly #taken: Int32Array;
  readonly #send: (record: RunRecord) => void;
  #posted = 0;
  #leftOut = 0;

  /** @param taken - i32[1]: how many the thread has taken, counted by the thread */
  constructor(taken: Int32Array, send: (record: RunRecord) => void) {
    this.#taken = taken;
    this.#send = send;
  }

  post(record: RunRecord): void {
    // Both counts wrap around alike.
    const waiting = (this.#posted - Atomics.load(this.#taken, 0)) | 0;
    if (record.event === "status" && waiting >= MOST_BEFORE_STATUS) return;
    if (waiting >= MOST_WAITING) {
      this.#leftOut++;
      return;
    }
    if (this.#leftOut > 0) {
      const message = `The dashboard did not keep up: ${this.#leftOut} records are not shown; they are in the run's log.`;
      this.#leftOut = 0;
      this.#sendCounted({ event: "warning", atMs: record.atMs, message });
    }
    this.#sendCounted(record);
  }

  #sendCounted(record: RunRecord): void {
    this.#posted = (this.#posted + 1) | 0;
    this.#send(record);
  }
}
