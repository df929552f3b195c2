import type { TensorRef } from "../../manifest/manifest.ts";
import type { DType } from "../../schema/dtype.ts";
import type { PackRecord } from "./pack-record.ts";

export interface ShelvedTensor {
  readonly sha256: string;
  readonly dtype: DType;
  readonly length: number;
  readonly record: PackRecord;
  readonly section: number;
  readonly storedBytes: number;
}

/** A pack of which less than this share is still wanted is not held on to: its tensors are stored again. */
const LEAST_WANTED_SHARE = 0.5;

/** Some packs smaller than this may be kept alive for little: what survives in them then costs nothing. */
const SMALL_PACK_BYTES = 1024 * 1024;

/** With more mostly dead small packs than this, what is wanted of them is stored again, together. */
const MAX_SMALL_PACKS = 8;

/**
 * Tensors that are stored already, by content: those of the newest checkpoint. An equal one is not stored again,
 * unless that would keep a pack alive that is otherwise mostly dead.
 */
export class TensorShelf {
  #tensors = new Map<string, ShelvedTensor>();

  static key(dtype: DType, sha256: string): string {
    return `${dtype} ${sha256}`;
  }

  /** Which of the wanted tensors may be taken from the shelf. */
  choose(wanted: Iterable<string>): Map<string, ShelvedTensor> {
    const found = [...new Set(wanted)].flatMap((key) => {
      const tensor = this.#tensors.get(key);
      return tensor === undefined || tensor.record.state === "failed" ? [] : [[key, tensor] as const];
    });
    const wantedBytes = new Map<PackRecord, number>();
    for (const [, { record, storedBytes }] of found) {
      wantedBytes.set(record, (wantedBytes.get(record) ?? 0) + storedBytes);
    }
    const dead = [...wantedBytes].filter(([record, bytes]) => bytes < LEAST_WANTED_SHARE * record.contentBytes);
    const small = dead.map(([record]) => record).filter(({ bytes }) => bytes < SMALL_PACK_BYTES);
    const kept = new Set(small.length > MAX_SMALL_PACKS ? [] : small);
    const dropped = new Set(dead.map(([record]) => record).filter((record) => !kept.has(record)));
    return new Map(found.filter(([, { record }]) => !dropped.has(record)));
  }

  /** From now on the shelf holds what this checkpoint names. */
  replace(tensors: Iterable<ShelvedTensor>): void {
    this.#tensors = new Map([...tensors].map((tensor) => [TensorShelf.key(tensor.dtype, tensor.sha256), tensor]));
  }

  packs(): PackRecord[] {
    return [...this.#tensors.values()].map(({ record }) => record);
  }

  /** Packs of these names are gone. */
  dropNamed(names: ReadonlySet<string>): void {
    this.replace([...this.#tensors.values()].filter(({ record }) => !names.has(record.name)));
  }

  /** Takes over what a manifest of this run names. */
  adopt(tensors: readonly TensorRef[], recordOf: (pack: number) => PackRecord): void {
    this.replace(tensors.map(({ pack, ...tensor }) => ({ ...tensor, record: recordOf(pack) })));
  }
}
