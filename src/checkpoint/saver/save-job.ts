import type { DType } from "../../schema/dtype.ts";
import type { SaveMessage } from "../messages.ts";
import type { AttachedBuffer } from "./attached-buffer.ts";
import type { PriorityCapture } from "./priority-captures.ts";

/** A buffer in a save: its bounds, and its priorities, which were copied as the save arrived. */
export interface JobBuffer {
  readonly name: string;
  readonly attached: AttachedBuffer;
  readonly bounds: SaveMessage["buffers"][number]["snapshot"]["bounds"];
  readonly meta: SaveMessage["buffers"][number]["snapshot"]["meta"];
  readonly number: number;
  /** Null where not prioritised. */
  readonly priorities: PriorityCapture | null;
}

/** A tensor of the state, with the memory itself: its owner may forget it before the save's turn comes. */
export interface JobTensor {
  readonly dtype: DType;
  readonly length: number;
  readonly memory: SharedArrayBuffer;
  readonly byteOffset: number;
}

/** A save that has arrived, and how to let go of what it holds. */
export class SaveJob {
  readonly message: SaveMessage;
  readonly buffers: readonly JobBuffer[];
  readonly tensors: readonly JobTensor[];
  /** From then on nobody knows whether it is made until its last request is answered. */
  isBeingCommitted = false;
  readonly #freeArena: () => void;
  #holdsRows = true;
  #holdsArena = true;

  constructor(
    message: SaveMessage,
    buffers: readonly JobBuffer[],
    tensors: readonly JobTensor[],
    freeArena: () => void,
  ) {
    this.message = message;
    this.buffers = buffers;
    this.tensors = tensors;
    this.#freeArena = freeArena;
  }

  /** The last read of rows has been made. */
  releaseRows(): void {
    if (!this.#holdsRows) return;
    this.#holdsRows = false;
    for (const { attached, number } of this.buffers) attached.rows.release(number);
  }

  /** The last read of state and priorities has been made. */
  releaseState(): void {
    if (!this.#holdsArena) return;
    this.#holdsArena = false;
    for (const { priorities } of this.buffers) priorities?.release();
    this.#freeArena();
  }

  /** Replaced, skipped, abandoned and failed saves let go as well (rule 2). */
  releaseAll(): void {
    this.releaseRows();
    this.releaseState();
  }
}
