import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import Table from "cli-table3";
import pc from "picocolors";

const STDERR_FD = 2;

export interface OutputOptions {
  /** Standard output is for one JSON object: everything else goes to standard error. */
  readonly json?: boolean | undefined;
  /** Only warnings, errors and the result. */
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
  #hideBar: (() => void) | null = null;

  constructor({ json = false, quiet = false }: OutputOptions = {}) {
    this.json = json;
    this.quiet = quiet;
    this.stream = json ? process.stderr : process.stdout;
    this.style = pc.createColors(wantsColor(this.stream));
    for (const stream of [process.stdout, process.stderr]) {
      if (stream.listenerCount("error", ignoreWriteError) === 0) stream.on("error", ignoreWriteError);
    }
  }

  get isTerminal(): boolean {
    return isatty(this.stream.fd);
  }

  /** A line that a person watching wants to see. */
  message(text: string): void {
    if (this.quiet) return;
    this.#hideBar?.();
    this.stream.write(`${text}\n`);
  }

  /** A line that is always shown, on standard error, and before the process can end. */
  warn(text: string): void {
    this.#hideBar?.();
    try {
      writeSync(STDERR_FD, `${text}\n`);
    } catch (error) {
      ignoreWriteError(error as Error);
    }
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

/** A reader that went away (`| head`), or a log file on a full disk, must not end a training run. */
function ignoreWriteError(error: Error): void {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "EPIPE" && code !== "ENOSPC" && code !== "EAGAIN") throw error;
}
