import { isatty } from "node:tty";

/** The other screen of a terminal, as editors use it: what was there before comes back at the end. */
const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_REST_OF_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";
const CTRL_C = "\u0003";

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/** A whole terminal that is drawn anew, and its keys. */
export class TerminalScreen {
  readonly #stream: typeof process.stdout | typeof process.stderr;
  readonly #onResize: () => void;
  readonly #onKey: (key: Buffer) => void;
  readonly #hasKeys: boolean;

  /**
   * @param onResize - the size has changed: what is drawn is out of date
   * @param onQuit - q or Ctrl-C
   */
  constructor(
    stream: typeof process.stdout | typeof process.stderr,
    { onResize, onQuit }: { readonly onResize: () => void; readonly onQuit: () => void },
  ) {
    this.#stream = stream;
    this.#onResize = onResize;
    this.#onKey = (key) => {
      const text = key.toString("utf8");
      if (text.includes(CTRL_C) || /^q$/i.test(text)) onQuit();
    };
    this.#hasKeys = isatty(process.stdin.fd);
    stream.write(ENTER);
    stream.on("resize", this.#onResize);
    if (!this.#hasKeys) return;
    process.stdin.setRawMode(true);
    process.stdin.on("data", this.#onKey);
    process.stdin.resume();
  }

  get size(): { readonly width: number; readonly height: number } {
    const { columns, rows } = this.#stream;
    // A terminal that does not tell its size says 0.
    return { width: columns || DEFAULT_COLUMNS, height: rows || DEFAULT_ROWS };
  }

  /** Lines no wider than the screen. In one write, over what was there: nothing flickers. */
  draw(lines: readonly string[]): void {
    this.#stream.write(`${HOME}${lines.map((line) => line + CLEAR_REST_OF_LINE).join("\r\n")}${CLEAR_BELOW}`);
  }

  close(): void {
    this.#stream.off("resize", this.#onResize);
    if (this.#hasKeys) {
      process.stdin.off("data", this.#onKey);
      process.stdin.setRawMode(false);
      process.stdin.pause();
    }
    this.#stream.write(LEAVE);
  }
}
