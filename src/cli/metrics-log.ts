import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ConfigError } from "../index.ts";
import type { RunRecord } from "../record/run-record.ts";

/** `logs/metrics.jsonl` of a run: one record a line (src/record/run-record.ts), only ever appended to. */
export class MetricsLog {
  readonly path: string;
  readonly #warn: (message: string) => void;
  /** The outermost folder that had to be made for it; absolute. */
  readonly #madeFolder: string | undefined;
  readonly #isNew: boolean;
  #file: number | null;
  #hasFailed = false;

  /**
   * @param warn - is told once if a line cannot be written: training goes on without
   * @throws ConfigError where the file cannot be made: the run could not save there either
   */
  constructor(folder: string, warn: (message: string) => void) {
    const logs = join(folder, "logs");
    this.path = join(logs, "metrics.jsonl");
    this.#warn = warn;
    try {
      this.#madeFolder = mkdirSync(resolve(logs), { recursive: true });
      this.#isNew = !existsSync(this.path);
      this.#file = openSync(this.path, "a+");
      endTornLine(this.#file);
    } catch (cause) {
      throw new ConfigError(`Cannot write the run's log ${this.path}: ${(cause as Error).message}`, {
        cause,
        hint: "Give a --store, or a --local, folder that this process may write to.",
      });
    }
  }

  /** Appends one line, in one write: a reader never sees half of it. */
  write(record: RunRecord): void {
    if (this.#file === null) return;
    try {
      if (this.#hasFailed) endTornLine(this.#file);
      writeSync(this.#file, `${JSON.stringify(record)}\n`);
    } catch (error) {
      if (!this.#hasFailed) this.#warn(describeFailure(this.path, error as Error));
      this.#hasFailed = true;
    }
  }

  /** Leaves nothing behind where nothing was written. */
  close(): void {
    if (this.#file === null) return;
    const isEmpty = fstatSync(this.#file).size === 0;
    closeSync(this.#file);
    this.#file = null;
    if (isEmpty && this.#isNew) this.#remove();
  }

  #remove(): void {
    unlinkSync(this.path);
    if (this.#madeFolder === undefined) return;
    for (let folder = dirname(resolve(this.path)); folder.length >= this.#madeFolder.length; folder = dirname(folder)) {
      if (!removeIfEmpty(folder)) return;
    }
  }
}

/** Returns whether the folder was empty, and is gone. */
export function removeIfEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    // Not empty, or not to be removed: it stays.
    return false;
  }
}

function describeFailure(path: string, error: Error): string {
  return `WARNING: lines are missing in ${path}: ${error.message}\n  Training goes on. Free some space there, or give the process the right to write.`;
}

/** A process that was killed while writing may have left half a line: the next one begins below it. */
function endTornLine(file: number): void {
  const { size } = fstatSync(file);
  if (size === 0) return;
  const last = Buffer.alloc(1);
  readSync(file, last, 0, 1, size - 1);
  if (last.toString() !== "\n") writeSync(file, "\n");
}
