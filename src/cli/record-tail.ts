import { readRecords, recordFileStat } from "../record/read-records.ts";
import type { RunRecord } from "../record/run-record.ts";

/** Who is told what a log has got. */
export interface TailListener {
  /** The file was cut off, removed or replaced: it begins again. */
  readonly onReset: () => void;
  readonly onRecord: (record: RunRecord) => void;
}

/** Follows `metrics.jsonl` of a run: gives what was added since the last look. */
export class RecordTail {
  readonly #path: string;
  /** Of the file that was read last; null where there was none. */
  #inode: number | null = null;
  #offset = 0;
  #unreadable = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Lines so far that are no record that this version knows: each may be a loss, and is to be told. */
  get unreadable(): number {
    return this.#unreadable;
  }

  /**
   * Reads on. A line is taken once its end is there.
   *
   * @throws StoreError where there is something that cannot be read; the signal's reason
   */
  async read({ onReset, onRecord }: TailListener, signal?: AbortSignal): Promise<void> {
    const found = await recordFileStat(this.#path);
    const isOther = found === null || found.ino !== this.#inode || found.size < this.#offset;
    if (isOther && this.#inode !== null) onReset();
    if (isOther) this.#offset = 0;
    this.#inode = found?.ino ?? null;
    if (found === null || found.size === this.#offset) return;
    for await (const { records, end, passedOver } of readRecords(this.#path, { from: this.#offset, signal })) {
      this.#offset = end;
      this.#unreadable += passedOver;
      records.forEach(onRecord);
    }
  }
}
