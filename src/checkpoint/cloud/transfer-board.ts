import { etaMsOf } from "../../transfer/rate-meter.ts";
import type { TransferProgress } from "./cloud-transfer.ts";
import type { CloudTransferPhase } from "./transfer.ts";

const PHASES: readonly CloudTransferPhase[] = [
  "waiting",
  "saving",
  "uploading",
  "downloading",
  "finished",
  "failed",
  "cancelled",
];

/** Transfers whose progress fits into one page. */
const SLOTS_PER_PAGE = 64;
/** Bytes moved, bytes in all and bytes per second as f64, phase and retries as i32. */
const AMOUNTS = 3;
const SLOT_BYTES = 8 * AMOUNTS + 8;

/**
 * Progress of transfers in shared memory: written by the saver's thread, readable from a training loop that never yields.
 * Memory is posted once and named by number afterwards; a slot is used again when its transfer has ended.
 *
 *     page 0: slots 0 to 63        page 1: slots 64 to 127 …
 *     slot:   bytes f64 | totalBytes f64 | bytesPerSecond f64 | phase i32 | retries i32
 */
export class TransferBoard {
  readonly #pages: SharedArrayBuffer[] = [];
  readonly #free: number[] = [];
  readonly #publish: (memory: SharedArrayBuffer) => void;

  /** @param publish - called with every page that is added by `take` */
  constructor(publish: (memory: SharedArrayBuffer) => void = () => undefined) {
    this.#publish = publish;
  }

  addPage(memory: SharedArrayBuffer): void {
    this.#pages.push(memory);
  }

  /** A slot that nobody uses, cleared. */
  take(): number {
    if (this.#free.length === 0) this.#grow();
    const slot = this.#free.pop() ?? 0;
    const { amounts, counters } = this.#at(slot);
    amounts.fill(0);
    counters.fill(0);
    return slot;
  }

  giveBack(slot: number): void {
    this.#free.push(slot);
  }

  setPhase(slot: number, phase: CloudTransferPhase): void {
    Atomics.store(this.#at(slot).counters, 0, PHASES.indexOf(phase));
  }

  setBytes(slot: number, bytes: number, totalBytes: number): void {
    const { amounts } = this.#at(slot);
    amounts[0] = bytes;
    amounts[1] = totalBytes;
  }

  setRate(slot: number, bytesPerSecond: number): void {
    this.#at(slot).amounts[2] = bytesPerSecond;
  }

  addRetry(slot: number): void {
    Atomics.add(this.#at(slot).counters, 1, 1);
  }

  read(slot: number): TransferProgress {
    const { amounts, counters } = this.#at(slot);
    const [bytes = 0, totalBytes = 0, bytesPerSecond = 0] = amounts;
    return {
      phase: PHASES[Atomics.load(counters, 0)] ?? "waiting",
      ...{ bytes, totalBytes, bytesPerSecond, etaMs: etaMsOf(totalBytes - bytes, bytesPerSecond) },
      retries: Atomics.load(counters, 1),
    };
  }

  #grow(): void {
    const first = this.#pages.length * SLOTS_PER_PAGE;
    const memory = new SharedArrayBuffer(SLOTS_PER_PAGE * SLOT_BYTES);
    this.addPage(memory);
    this.#publish(memory);
    // The lowest is taken first.
    for (let slot = first + SLOTS_PER_PAGE - 1; slot >= first; slot--) this.#free.push(slot);
  }

  #at(slot: number): { readonly amounts: Float64Array; readonly counters: Int32Array } {
    const page = this.#pages[Math.floor(slot / SLOTS_PER_PAGE)];
    if (page === undefined) throw new Error(`Slot ${slot} lies on a page that was never handed over`);
    const offset = (slot % SLOTS_PER_PAGE) * SLOT_BYTES;
    return {
      amounts: new Float64Array(page, offset, AMOUNTS),
      counters: new Int32Array(page, offset + 8 * AMOUNTS, 2),
    };
  }
}
