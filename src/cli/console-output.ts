import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import Table from "cli-table3";
import pc from "picocolors";
import type { Logger } from "pino";
import { createStructuredLog, type LogLevel, logSettings, tells } from "./structured-log.ts";

const STDERR_FD = 2;

export interface OutputOptions {
  /** Standard output is for one JSON object: everything else goes to standard error. */
  readonly json?: boolean | undefined;
  /** Only warnings, errors and the result: as `--log-level warn`. */
  readonly quiet?: boolean | undefined;
}

/** Where the command line prints: messages, warnings, and the result. The only user of the terminal. */
export class ConsoleOutput {
  readonly json: boolean;
  readonly quiet: boolean;
  /** Where messages go. */
  readonly stream: typeof process.stdout | typeof process.stderr;
  /** Styles; they do nothing where no terminal is, or under NO_COLOR. */
  readonly style: ReturnType<typeof pc.createColors>;
  readonly #level: LogLevel;
  /** Null where messages are text. */
  readonly #log: Logger | null;
  /** Of the next message. */
  #facts: object = {};
  #hideBar: (() => void) | null = null;

  constructor({ json = false, quiet = false }: OutputOptions = {}) {
    const { format, level } = logSettings();
    this.json = json;
    this.#level = quiet && tells(level, "warn") ? "warn" : level;
    this.quiet = !tells(this.#level, "info");
    this.#log = format === "json" ? createStructuredLog(this.#level, ignoreWriteError) : null;
    this.stream = json || this.#log !== null ? process.stderr : process.stdout;
    this.style = pc.createColors(this.#log === null && wantsColor(this.stream));
    outliveReaders();
  }

  get isTerminal(): boolean {
    return this.#log === null && isatty(this.stream.fd);
  }

  /** Whether lines can be drawn over, as bars and whole screens are; a dumb terminal shows what is to move its cursor. */
  get canDraw(): boolean {
    return this.isTerminal && process.env["TERM"] !== "dumb";
  }

  /** Whether a person asked to see everything, stacks included. */
  get isDebugging(): boolean {
    return tells(this.#level, "debug");
  }

  /** Gives the first message that `tell` makes facts, which a structured log has as fields. */
  about(facts: object, tell: () => void): void {
    this.#facts = facts;
    try {
      tell();
    } finally {
      this.#facts = {};
    }
  }

  /** A line that a person watching wants to see. */
  message(text: string): void {
    if (this.quiet) return;
    this.#hideBar?.();
    if (this.#log === null) this.stream.write(`${text}\n`);
    else this.#log.info(this.#takeFacts(), text.trim());
  }

  /** A line on standard error, also with --quiet, and before the process can end. */
  warn(text: string): void {
    if (tells(this.#level, "warn")) this.#urgent("warn", text);
  }

  /** Why the command fails: a line on standard error, before the process can end. */
  error(text: string): void {
    if (tells(this.#level, "error")) this.#urgent("error", text);
  }

  #urgent(level: "warn" | "error", text: string): void {
    this.#hideBar?.();
    if (this.#log !== null) {
      this.#log[level](this.#takeFacts(), text.trim());
      return;
    }
    try {
      writeSync(STDERR_FD, `${text}\n`);
    } catch (error) {
      ignoreWriteError(error as Error);
    }
  }

  #takeFacts(): object {
    const facts = this.#facts;
    this.#facts = {};
    return facts;
  }

  /**
   * Names a line at the cursor that gives way to whatever is printed.
   *
   * @param hide - clears the line; null when there is none any more
   */
  yieldBar(hide: (() => void) | null): void {
    this.#hideBar = hide;
  }

  /** What the command was asked for: JSON if `--json` was given, else the text. */
  result(value: unknown, text: () => string): void {
    process.stdout.write(`${this.json ? JSON.stringify(value, null, 2) : text()}\n`);
  }

  /** A line of what the command was asked for, where that comes bit by bit. */
  line(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** For what prints for ever: is told when whoever reads standard output has gone away (`| head`). */
  onReaderGone(tell: () => void): void {
    process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "EPIPE") tell();
    });
  }

  /** Rows as a table: with borders on a terminal, as plain aligned lines elsewhere. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): string {
    const table = new Table({
      head: head.map((name) => this.style.bold(name)),
      style: { head: [], border: [], ...(this.isTerminal ? {} : { "padding-left": 0, "padding-right": 2 }) },
      chars: this.isTerminal ? NO_LINES : { ...NO_LINES, ...NO_BORDERS },
    });
    table.push(...rows.map((row) => [...row]));
    return table
      .toString()
      .split("\n")
      .map((line) => line.trimEnd())
      .join("\n");
  }
}

/** No lines between rows. */
const NO_LINES = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" };

const NO_BORDERS = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ left: "", middle: "", right: "" },
};

function wantsColor(stream: ConsoleOutput["stream"]): boolean {
  const { NO_COLOR, TERM } = process.env;
  return isatty(stream.fd) && (NO_COLOR === undefined || NO_COLOR === "") && TERM !== "dumb";
}

/** From here on, an output that cannot be written any more ends nothing. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.listenerCount("error", ignoreWriteError) === 0) stream.on("error", ignoreWriteError);
  }
}

/** A reader that went away (`| head`), or a log file on a full disk, must not end a training run. */
function ignoreWriteError(error: Error): void {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "EPIPE" && code !== "ENOSPC" && code !== "EAGAIN") throw error;
}
