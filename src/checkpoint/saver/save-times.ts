import type { Clock } from "../../base/clock.ts";
import type { DurableEvent } from "../events.ts";
import type { SaveResult } from "../options.ts";
import type { PackSink } from "./pack-assembler.ts";
import type { PackRecord } from "./pack-record.ts";

/** When a save was worked on, in ms since 1970. */
type SaveTimeline = Pick<DurableEvent, "atMs" | "encodingAtMs" | "writingAtMs">;

/** A save that was committed in the first tier. */
export interface MadeSave {
  readonly result: SaveResult;
  readonly records: readonly PackRecord[];
  readonly times: SaveTimeline;
}

/** Notes when the save under way was taken up and when its first object began to be written; one save at a time. */
export class SaveTimes {
  readonly #clock: Clock;
  #encodingAtMs = 0;
  #writingAtMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Packs that were shipped ahead of the save do not count: they were written before it. */
  begin(): void {
    this.#encodingAtMs = this.#clock.now();
    this.#writingAtMs = null;
  }

  noteWrite(): void {
    this.#writingAtMs ??= this.#clock.now();
  }

  /** The save is durable. */
  end(): SaveTimeline {
    const atMs = this.#clock.now();
    return { atMs, encodingAtMs: this.#encodingAtMs, writingAtMs: this.#writingAtMs ?? atMs };
  }

  /** The same sink, watched for the first pack. */
  watch(sink: PackSink): PackSink {
    return {
      write: (name, bytes, lifetime) => {
        this.noteWrite();
        return sink.write(name, bytes, lifetime);
      },
    };
  }
}
