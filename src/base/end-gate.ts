import { systemSleep } from "./timers.ts";

const ENDING = 0;
const FIRST_BUSY = 1;

/** Threads that one gate can hold back. */
const MAX_THREADS = 6;

const POLL_MS = 2;

/**
 * Keeps threads from being ended inside calls that Node does not survive: it aborts the whole process where a thread
 * is ended between the making of a zstd stream and its initialisation. A thread makes such calls through `run`; who
 * ends it closes the gate and waits until it is quiet. After that the thread waits at the gate, if it comes there,
 * until it is ended.
 */
export class EndGate {
  readonly memory: SharedArrayBuffer;
  readonly #cells: Int32Array;

  /** @param memory - of a gate in another thread; new by default */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(4 * (FIRST_BUSY + MAX_THREADS))) {
    this.memory = memory;
    this.#cells = new Int32Array(memory);
  }

  /**
   * Runs the action, unless the gate is closed: then it never returns.
   *
   * @param thread - the number of the calling thread, below 6
   */
  run<T>(thread: number, action: () => T): T {
    const busy = FIRST_BUSY + thread;
    // In this order: whoever closes the gate and then finds nobody inside may rely on it.
    Atomics.store(this.#cells, busy, 1);
    if (this.isClosed) {
      this.leave(thread);
      for (;;) Atomics.wait(this.#cells, ENDING, 1);
    }
    try {
      return action();
    } finally {
      this.leave(thread);
    }
  }

  /** The thread is not inside any more: also said of one that died there. */
  leave(thread: number): void {
    Atomics.store(this.#cells, FIRST_BUSY + thread, 0);
    Atomics.notify(this.#cells, FIRST_BUSY + thread);
  }

  close(): void {
    Atomics.store(this.#cells, ENDING, 1);
  }

  get isClosed(): boolean {
    return Atomics.load(this.#cells, ENDING) === 1;
  }

  /** Whether no thread is inside. Stays so once the gate is closed. */
  get isQuiet(): boolean {
    return !this.#cells.some((_, cell) => cell >= FIRST_BUSY && Atomics.load(this.#cells, cell) === 1);
  }

  /** Blocks until no thread is inside, at most `limitMs` for each. Needs no event loop. */
  waitUntilQuiet(limitMs: number): void {
    for (let thread = 0; thread < MAX_THREADS; thread++) Atomics.wait(this.#cells, FIRST_BUSY + thread, 1, limitMs);
  }

  /** As `waitUntilQuiet`, without blocking. */
  async whenQuiet(limitMs: number): Promise<void> {
    for (let waitedMs = 0; waitedMs < limitMs && !this.isQuiet; waitedMs += POLL_MS) await systemSleep(POLL_MS);
  }
}
