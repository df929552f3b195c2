import type { EncodedSection } from "../../codec/contract.ts";
import type { AttachedBuffer } from "./attached-buffer.ts";
import type { CoverageBook } from "./coverage-book.ts";
import type { ToEncode } from "./encode.ts";
import type { Encoder } from "./encoder.ts";
import type { MemoryPressure } from "./memory-pressure.ts";
import type { PackAssembler } from "./pack-assembler.ts";
import type { PackRecord } from "./pack-record.ts";
import type { JobBuffer } from "./save-job.ts";
import { rowItems, rowsLifetime } from "./save-run.ts";

interface FullBlock {
  readonly attached: AttachedBuffer;
  readonly log: number;
  readonly segment: number;
  readonly number: number;
}

/** What the last save of a buffer tells about the next. */
interface Rhythm {
  readonly name: string;
  readonly head: number;
  readonly rowsPerSave: number;
  /** Of the transitions, as far as full blocks tell. */
  newestHead: number;
}

/** Nobody waits for a full block: the encoder's thread does all that is worth a message. */
const BULK_BYTES = 64 * 1024;

/**
 * Encodes full blocks before anyone asks, so that a checkpoint has only the tail left to do. Held back where the
 * rows would leave the buffer before the next save.
 */
export class EagerShipping {
  readonly #rhythms = new Map<AttachedBuffer, Rhythm>();
  #waiting: FullBlock[] = [];

  /** A save names these buffers, none of which was dropped meanwhile: from now on their full blocks are shipped. */
  noteSave(buffers: readonly Pick<JobBuffer, "name" | "attached" | "bounds">[]): void {
    for (const { name, attached, bounds } of buffers) {
      const head = bounds[0]?.head ?? 0;
      // A restored buffer begins at a high row: what came before says nothing about the pace of saves.
      const before = this.#rhythms.get(attached)?.head ?? bounds[0]?.tail ?? head;
      this.#rhythms.set(attached, { name, head, rowsPerSave: head - before, newestHead: head });
    }
  }

  forget(attached: AttachedBuffer): void {
    this.#rhythms.delete(attached);
  }

  /** Takes the block up, or releases it at once where it is not worth shipping. */
  offer(attached: AttachedBuffer, log: number, segment: number, number: number): void {
    if (this.#isWorthIt(attached, log, segment)) this.#waiting.push({ attached, log, segment, number });
    else attached.rows.release(number);
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0;
  }

  /** Encodes one waiting block; false when there is none. */
  async shipOne(
    coverage: CoverageBook,
    encoder: Encoder,
    assembler: PackAssembler,
    pressure: MemoryPressure,
  ): Promise<boolean> {
    const block = this.#waiting.shift();
    if (block === undefined) return false;
    const { attached, log, segment, number } = block;
    const requests = pressure.requests;
    try {
      const { layout, segments } = attached.logs[log] ?? {};
      const rhythm = this.#rhythms.get(attached);
      // Its rows may all have left the buffer while it waited.
      if (layout === undefined || rhythm === undefined || segments?.has(segment) !== true) return true;
      const { incarnation } = attached.description;
      const covered = coverage.of(rhythm.name, incarnation, layout.name);
      const rows = { from: segment * layout.rowsPerBlock, to: (segment + 1) * layout.rowsPerBlock };
      const name = `${rhythm.name}/${layout.name}`;
      const items = covered.missing(rows).flatMap(({ from, to }) => rowItems(attached, log, name, from, to));
      const add = async (item: ToEncode, sections: readonly EncodedSection[]): Promise<void> => {
        const onPlaced = (record: PackRecord): void => {
          if (item.kind === "rows") covered.assign(item.from, item.to, record);
        };
        // Asked while it was encoded, nobody heard it; and training waits for this very block.
        if (pressure.requests !== requests) throw pressure.error;
        await pressure.unlessAsked(0, (signal) =>
          assembler.add(rowsLifetime(name, incarnation), sections, { onPlaced, signal }),
        );
      };
      await encoder.encodeAll(items, add, BULK_BYTES);
    } finally {
      attached.rows.release(number);
    }
    return true;
  }

  /** Lets go of every block that waits. */
  drop(): void {
    for (const { attached, number } of this.#waiting) attached.rows.release(number);
    this.#waiting = [];
  }

  #isWorthIt(attached: AttachedBuffer, log: number, segment: number): boolean {
    const rhythm = this.#rhythms.get(attached);
    const layout = attached.logs[log]?.layout;
    if (rhythm === undefined || layout === undefined) return false;
    const { capacity } = attached.description;
    const end = (segment + 1) * layout.rowsPerBlock;
    if (log === 0) rhythm.newestHead = Math.max(rhythm.newestHead, end);
    // A save that is overdue may be as far away again as the last one is.
    const rowsSoFar = rhythm.newestHead - rhythm.head;
    const rowsPerSave = Math.max(rhythm.rowsPerSave, rowsSoFar > rhythm.rowsPerSave ? 2 * rowsSoFar : 0);
    return log === 0 ? end > rhythm.head + rowsPerSave - capacity : rowsPerSave <= capacity;
  }
}
