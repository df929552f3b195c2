import { raceAbort } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { StoreError } from "../../errors.ts";
import { RateMeter } from "../../transfer/rate-meter.ts";
import type { FileMove } from "./file-mover.ts";
import type { Place } from "./key-lanes.ts";
import type { FromCloud, ToCloud, TransferOrder, TransferResult } from "./messages.ts";
import type { CloudTransferPhase } from "./transfer.ts";
import type { TransferBoard } from "./transfer-board.ts";

type TransferMessage = Extract<ToCloud, { kind: "transfer" }>;

/** One transfer in the saver's thread: its progress, and whether it is still wanted. */
export class TransferTask {
  readonly id: number;
  /** As a person would name it. */
  readonly name: string;
  readonly order: TransferOrder;
  /** Of a buffer: its file lies whole on local disk. */
  isSaved = false;
  readonly #message: TransferMessage;
  readonly #board: TransferBoard;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  #isGivenUp = false;
  #hasEnded = false;
  /** Files that are being moved: none while it waits, as for the end of a pause. */
  readonly #moving = new Set<string>();
  /** Bytes done, by file: the tries of one file begin anew. */
  readonly #done = new Map<string, number>();
  readonly #rate: RateMeter;
  readonly #uploadRate: RateMeter;
  #bytes = 0;
  #totalBytes = 0;

  /** @param uploadRate - of all uploads together */
  constructor(message: TransferMessage, board: TransferBoard, clock: Clock, uploadRate: RateMeter) {
    this.id = message.id;
    this.name = message.name;
    this.order = message.order;
    this.#message = message;
    this.#board = board;
    this.#clock = clock;
    this.#rate = new RateMeter(clock);
    this.#uploadRate = uploadRate;
  }

  get isUpload(): boolean {
    return this.order.kind !== "download-file" && this.order.kind !== "download-directory";
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Nobody wants it any more. */
  cancel(): void {
    this.#abort("it was cancelled");
  }

  /** It is not to be sent any more; a buffer is still saved. */
  giveUp(): void {
    if (this.signal.aborted) return;
    this.#isGivenUp = true;
    const hint = "Its local file is kept: upload it again, or give shutdown() more time.";
    this.#abort("it was given up: CloudSync was shut down before it was done", hint);
  }

  /** Why it has not come to a good end. A save is not given up: it has failed. */
  get whyEnded(): Extract<FromCloud, { kind: "failed" }>["why"] {
    if (!this.signal.aborted) return "failed";
    if (!this.#isGivenUp) return "cancelled";
    return this.order.kind === "buffer" && !this.isSaved ? "failed" : "given-up";
  }

  /** @throws StoreError of kind `aborted` */
  assertSaveWanted(): void {
    if (!this.#isGivenUp) this.signal.throwIfAborted();
  }

  /** From now on its place in shared memory may be another's; a try that was given up may still talk. */
  end(): void {
    this.#hasEnded = true;
  }

  setPhase(phase: CloudTransferPhase): void {
    if (!this.#hasEnded) this.#board.setPhase(this.#message.slot, phase);
  }

  setTotal(totalBytes: number): void {
    this.#totalBytes = totalBytes;
    this.#show();
  }

  /** @throws StoreError of kind `aborted` when it is cancelled meanwhile */
  async turn(place: Place): Promise<void> {
    await raceAbort(place.turn, this.signal);
  }

  /** What the queue needs to know of one file of it. */
  move(
    file: Pick<FileMove, "localPath" | "readFrom" | "key" | "sizeBytes">,
    phase: "uploading" | "downloading",
  ): FileMove {
    return {
      ...file,
      name: this.name,
      signal: this.signal,
      onTry: (number) => {
        this.#moving.add(file.key);
        this.setPhase(phase);
        if (number > 1 && !this.#hasEnded) this.#board.addRetry(this.#message.slot);
      },
      onBytes: (bytesDone) => this.advance(file.key, bytesDone),
      onMoved: (bytes) => this.#measure(bytes),
    };
  }

  /** One file is moved, or given up. @returns whether no other is under way */
  moved(key: string): boolean {
    this.#moving.delete(key);
    if (this.#moving.size > 0) return false;
    this.setPhase("waiting");
    return true;
  }

  /** So many bytes of one file are done. */
  advance(key: string, bytesDone: number): void {
    this.#bytes += bytesDone - (this.#done.get(key) ?? 0);
    this.#done.set(key, bytesDone);
    this.#show();
  }

  #measure(bytes: number): void {
    this.#rate.add(bytes);
    if (this.isUpload) this.#uploadRate.add(bytes);
  }

  /** Also while nothing moves: the rate falls then. */
  showRate(): void {
    if (!this.#hasEnded) this.#board.setRate(this.#message.slot, this.#rate.bytesPerSecond());
  }

  result(facts: Omit<TransferResult, "elapsedMs">): TransferResult {
    return { ...facts, elapsedMs: this.elapsedMs };
  }

  /** Since the call. */
  get elapsedMs(): number {
    return Math.max(0, this.#clock.now() - this.#message.startedAtMs);
  }

  #show(): void {
    if (this.#hasEnded) return;
    this.#board.setBytes(this.#message.slot, this.#bytes, Math.max(this.#totalBytes, this.#bytes));
  }

  #abort(why: string, hint?: string): void {
    this.#controller.abort(new StoreError("aborted", "transfer", this.name, why, { hint }));
  }
}
