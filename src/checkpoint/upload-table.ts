import type { UploadJob } from "./options.ts";

/** Uploads that are shown; the others of a run with a larger `concurrency` are only counted. */
const MAX_SHOWN_UPLOADS = 16;

/** A pack has a name of 84; a longer one would be cut off. */
const NAME_BYTES = 96;
/** bytesDone, bytesTotal, bytesPerSecond, etaMs (-1 for null), retries, length of the name in bytes. */
const NUMBERS = 6;
const ROW_BYTES = 8 * NUMBERS + NAME_BYTES;
const ROW_WORDS = ROW_BYTES / 4;
const VERSION = 0;
const COUNT = 1;
const HEAD_WORDS = 2;

/** How often a reader that meets a writer looks again: that one may have lost its core in the middle, for long. */
const MAX_LOOKS = 64;

/**
 * The uploads under way, in shared memory of fixed size: written whole by the saver's thread, read by the training thread
 * at any time, which waits for nobody.
 *
 *     version i32 | count i32 | row 0: six numbers f64, name in UTF-8 | row 1 …
 *
 * The version is odd while rows are written. A reader that saw it odd, or another one after reading, looks again, and in
 * the end says what it read last. All words go through Atomics: nothing else keeps a processor from reading rows after
 * the version that is to vouch for them.
 */
export class UploadTable {
  static readonly BYTES: number = 4 * HEAD_WORDS + MAX_SHOWN_UPLOADS * ROW_BYTES;
  readonly #shared: Int32Array;
  readonly #copy: Int32Array;
  readonly #numbers: Float64Array;
  readonly #bytes: Uint8Array;
  #last: readonly UploadJob[] = [];

  /** @param byteOffset - a multiple of 4 */
  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    this.#shared = new Int32Array(memory, byteOffset, UploadTable.BYTES / 4);
    const own = new ArrayBuffer(MAX_SHOWN_UPLOADS * ROW_BYTES);
    this.#copy = new Int32Array(own);
    this.#numbers = new Float64Array(own);
    this.#bytes = new Uint8Array(own);
  }

  /** For one thread only. */
  write(jobs: readonly UploadJob[]): void {
    const shown = jobs.slice(0, MAX_SHOWN_UPLOADS);
    for (const [row, job] of shown.entries()) this.#encode(row, job);
    Atomics.add(this.#shared, VERSION, 1);
    Atomics.store(this.#shared, COUNT, shown.length);
    for (let word = 0; word < shown.length * ROW_WORDS; word++) {
      Atomics.store(this.#shared, HEAD_WORDS + word, this.#copy[word] ?? 0);
    }
    Atomics.add(this.#shared, VERSION, 1);
  }

  /** Cost: some microseconds. */
  read(): readonly UploadJob[] {
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const version = Atomics.load(this.#shared, VERSION);
      if (version % 2 !== 0) continue;
      const count = Math.min(MAX_SHOWN_UPLOADS, Atomics.load(this.#shared, COUNT));
      for (let word = 0; word < count * ROW_WORDS; word++) {
        this.#copy[word] = Atomics.load(this.#shared, HEAD_WORDS + word);
      }
      if (Atomics.load(this.#shared, VERSION) !== version) continue;
      this.#last = Array.from({ length: count }, (_, row) => this.#decode(row));
      break;
    }
    return this.#last;
  }

  #encode(row: number, { name, bytesDone, bytesTotal, bytesPerSecond, etaMs, retries }: UploadJob): void {
    const at = row * ROW_BYTES;
    // Cut off between two characters where it is too long.
    const { written } = new TextEncoder().encodeInto(name, this.#bytes.subarray(at + 8 * NUMBERS, at + ROW_BYTES));
    this.#numbers.set([bytesDone, bytesTotal, bytesPerSecond, etaMs ?? -1, retries, written], at / 8);
  }

  #decode(row: number): UploadJob {
    const at = row * ROW_BYTES;
    const [bytesDone = 0, bytesTotal = 0, bytesPerSecond = 0, etaMs = -1, retries = 0, nameBytes = 0] =
      this.#numbers.subarray(at / 8, at / 8 + NUMBERS);
    const start = at + 8 * NUMBERS;
    const name = new TextDecoder().decode(this.#bytes.subarray(start, start + nameBytes));
    return { name, bytesDone, bytesTotal, bytesPerSecond, etaMs: etaMs < 0 ? null : etaMs, retries };
  }
}
