import { accessSync, appendFileSync, constants, existsSync, mkdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock } from "../base/clock.ts";
import { ConfigError } from "../index.ts";
import { encodeEvent, type TensorBoardEvent } from "./tensorboard-event.ts";

export interface TensorBoardOptions {
  /** Told once if an event cannot be written: whoever writes goes on without. */
  readonly warn: (message: string) => void;
  readonly clock?: Clock | undefined;
}

/**
 * Scalars for TensorBoard: one event file in a folder, as every process that logs there has one of its own.
 *
 * `tensorboard --logdir <folder>` shows them while they are written.
 */
export class TensorBoardLog {
  readonly path: string;
  readonly #warn: (message: string) => void;
  readonly #clock: Clock;
  /** Of whole events: what a failed write left beyond is cut off before the next. */
  #bytes = 0;
  #hasFailed = false;

  /** @throws ConfigError where nothing can be written there */
  constructor(folder: string, { warn, clock = systemClock }: TensorBoardOptions) {
    this.#warn = warn;
    this.#clock = clock;
    try {
      mkdirSync(folder, { recursive: true });
      accessSync(folder, constants.W_OK);
      this.path = newFile(folder, clock);
    } catch (cause) {
      throw new ConfigError(`Cannot write events for TensorBoard into ${folder}: ${(cause as Error).message}`, {
        cause,
        hint: "Name a folder that this process may write to.",
      });
    }
  }

  /**
   * Adds the values of one step.
   *
   * @param scalars - by tag, such as `fitness/mean`; float32 in the file, as TensorBoard has it
   * Cost: one small synchronous write.
   */
  write(step: number, scalars: Readonly<Record<string, number>>, wallMs: number = this.#clock.now()): void {
    this.#tryAppend({ kind: "scalars", wallMs, step, scalars });
  }

  /** The run goes on from an older step: TensorBoard drops what it had from `step` on. */
  restartAt(step: number): void {
    this.#tryAppend({ kind: "restart", wallMs: this.#clock.now(), step });
  }

  #tryAppend(event: TensorBoardEvent): void {
    try {
      if (this.#hasFailed) this.#cutOffHalf();
      // With the first event: a run that cannot begin leaves no file behind.
      if (this.#bytes === 0) this.#append({ kind: "file", wallMs: this.#clock.now() });
      this.#append(event);
    } catch (error) {
      const told = `Events for TensorBoard are missing in ${this.path}: ${(error as Error).message}`;
      if (!this.#hasFailed) this.#warn(told);
      this.#hasFailed = true;
    }
  }

  #cutOffHalf(): void {
    if (existsSync(this.path)) truncateSync(this.path, this.#bytes);
    else this.#bytes = 0;
  }

  #append(event: TensorBoardEvent): void {
    const bytes = encodeEvent(event);
    appendFileSync(this.path, bytes);
    this.#bytes += bytes.length;
  }
}

/** TensorBoard finds files by `tfevents` in their names, and reads those of one folder in the order of their names. */
function newFile(folder: string, clock: Clock): string {
  const seconds = String(Math.floor(clock.now() / 1000)).padStart(10, "0");
  for (let number = 0; ; number++) {
    const path = join(folder, `events.out.tfevents.${seconds}.varve.${process.pid}.${number}`);
    if (!existsSync(path)) return path;
  }
}
