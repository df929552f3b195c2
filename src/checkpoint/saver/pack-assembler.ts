import type { EncodedSection } from "../../codec/contract.ts";
import { buildPack } from "../../codec/pack.ts";
import { PackRecord } from "./pack-record.ts";

/** Stored bytes from which a pack is closed. */
const TARGET_PACK_BYTES = 8 * 1024 * 1024;

/** Writes a pack under its name; resolves when it is acknowledged. Waits before that while too much is under way. */
export interface PackSink {
  write(name: string, bytes: Uint8Array, lifetime: string): Promise<{ readonly stored: Promise<void> }>;
}

interface OpenPack {
  readonly record: PackRecord;
  readonly sections: EncodedSection[];
}

export interface AddOptions {
  /**
   * Called in the moment in which the sections become part of a pack, whether or not the caller still waits by then:
   * rows must count as stored exactly when they are in a pack, or they come to lie in it twice.
   */
  readonly onPlaced?: (record: PackRecord) => void;
  /**
   * Of whoever may give the wait up. Sections that waited for room must not come into a pack after that: they count as
   * missing, and the next save has encoded them again meanwhile.
   */
  readonly signal?: AbortSignal;
}

export interface PlacedSections {
  readonly record: PackRecord;
  /** Number of the first section in the pack; the others follow. */
  readonly first: number;
}

/** Collects sections to packs, apart for each lifetime: what dies together lies together. */
export class PackAssembler {
  readonly #epoch: number;
  readonly #sink: PackSink;
  readonly #onGivenUp: (record: PackRecord) => void;
  readonly #open = new Map<string, OpenPack>();
  #entering: Promise<void> = Promise.resolve();

  /** @param onGivenUp - a pack could not be written: what it holds is not saved (rule 6) */
  constructor(epoch: number, sink: PackSink, onGivenUp: (record: PackRecord) => void) {
    this.#epoch = epoch;
    this.#sink = sink;
    this.#onGivenUp = onGivenUp;
  }

  /**
   * Waits first while a pack waits for the sink: whoever gave that wait up must not fill the next one meanwhile.
   *
   * @throws whatever the signal was aborted with, if it was before the sections had their turn: no pack holds them
   */
  async add(
    lifetime: string,
    sections: readonly EncodedSection[],
    { onPlaced, signal }: AddOptions = {},
  ): Promise<PlacedSections> {
    await this.#entering;
    signal?.throwIfAborted();
    const pack = this.#open.get(lifetime) ?? { record: new PackRecord(), sections: [] };
    this.#open.set(lifetime, pack);
    const first = pack.sections.length;
    pack.sections.push(...sections);
    onPlaced?.(pack.record);
    pack.record.bytes += sections.reduce((sum, section) => sum + section.bytes.byteLength, 0);
    pack.record.contentBytes = pack.record.bytes;
    if (pack.record.bytes >= TARGET_PACK_BYTES) await this.flush(lifetime);
    return { record: pack.record, first };
  }

  /** Gives up open packs of a lifetime that is over: nothing will ever name them. */
  discard(isOver: (lifetime: string) => boolean): void {
    for (const lifetime of [...this.#open.keys()].filter(isOver)) this.#open.delete(lifetime);
  }

  /** Closes the open pack of a lifetime, or all of them, and hands it to the sink. */
  async flush(lifetime?: string): Promise<void> {
    const names = lifetime === undefined ? [...this.#open.keys()] : [lifetime];
    for (const name of names) {
      const pack = this.#open.get(name);
      this.#open.delete(name);
      if (pack === undefined) continue;
      this.#entering = this.#write(name, pack);
      await this.#entering;
    }
  }

  async #write(lifetime: string, { record, sections }: OpenPack): Promise<void> {
    const giveUp = (error: unknown): void => {
      record.giveUp(error);
      this.#onGivenUp(record);
    };
    try {
      const { name, bytes } = buildPack(sections, { epoch: this.#epoch, takesMemory: true });
      record.close(name, bytes.byteLength);
      const { stored } = await this.#sink.write(name, bytes, lifetime);
      stored.then(() => record.acknowledge(), giveUp);
    } catch (error) {
      giveUp(error);
    }
  }
}
