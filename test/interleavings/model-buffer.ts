import type { SaveJob } from "../../src/checkpoint/saver/save-job.ts";
import { buildPack } from "../../src/codec/pack.ts";
import { readPackIndex } from "../../src/codec/pack-index.ts";
import { decodeSection, encodeSection } from "../../src/codec/section.ts";
import { sectionBytes } from "../../src/codec/section-size.ts";
import { coveredRows } from "../../src/manifest/coverage.ts";
import type { Manifest } from "../../src/manifest/manifest.ts";
import type { LogBounds } from "../../src/schema/snapshot.ts";
import { bytesOf, rowsOf } from "../codec/sections.ts";

export type BufferName = "a" | "b";
export const BUFFERS: readonly BufferName[] = ["a", "b"];

/** Saves of one row each: a checkpoint names the packs of the last few before it. */
const CAPACITY = 4;
const LOG = "transitions";
const LAYOUT = { name: LOG, columns: [{ name: "value", dtype: "float32", shape: [] }] } as const;
const META = {
  random: { generator: [1], spareNormal: null },
  ...{ openEnvs: [], maxPriority: null, ignoredPriorityUpdates: 0 },
};

/** Rows of one buffer from its tail on: each holds a number that no other row of the world has. */
export interface ModelRows {
  readonly tail: number;
  readonly values: readonly number[];
}

/** A buffer of one log and one column, as far as a saver needs to know it. */
export class ModelBuffer {
  readonly name: BufferName;
  readonly incarnation: string;
  readonly #values: number[] = [];
  #tail = 0;

  constructor(name: BufferName, incarnation: string, rows: ModelRows = { tail: 0, values: [] }) {
    this.name = name;
    this.incarnation = incarnation;
    this.#tail = rows.tail;
    this.#values = [...rows.values];
  }

  static readonly log: string = LOG;

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length <= CAPACITY) return;
    this.#values.shift();
    this.#tail++;
  }

  get bounds(): LogBounds {
    return { tail: this.#tail, head: this.#tail + this.#values.length };
  }

  get rows(): ModelRows {
    return { tail: this.#tail, values: [...this.#values] };
  }

  /** A pack of these ranges of its rows. */
  packOf(
    ranges: readonly { readonly from: number; readonly to: number }[],
    epoch: number,
  ): ReturnType<typeof buildPack> {
    const sections = ranges.map(({ from, to }) => {
      const raw = bytesOf(Float32Array.from(this.#values.slice(from - this.#tail, to - this.#tail)));
      const content = rowsOf("value", from, to, `${this.name}/${LOG}`);
      return encodeSection({ content, dtype: "float32", shape: [to - from], filter: "none", raw });
    });
    return buildPack(sections, { epoch });
  }
}

/** What the building of a manifest needs to know of a save. */
export function jobOf(buffers: readonly ModelBuffer[], sequence: number): SaveJob {
  const job = {
    message: { step: sequence, sequence, metrics: {}, logicalBytes: 0 },
    buffers: buffers.map(({ name, incarnation, bounds }) => {
      const description = { incarnation, capacity: CAPACITY, fields: {}, logs: [LAYOUT], prioritized: null };
      return { name, attached: { logs: [{ layout: LAYOUT }], description }, bounds: [bounds], meta: META };
    }),
  };
  return job as unknown as SaveJob;
}

/** The rows of every buffer, as one who restores reads them. @param packOf - the bytes of a pack by its place */
export function rowsIn(manifest: Manifest, packOf: (place: number) => Uint8Array): Map<string, ModelRows> {
  const buffers = Object.entries(manifest.buffers).map(([name, { logs }]): [string, ModelRows] => {
    const { tail, head } = logs[0] as LogBounds;
    const log = `${name}/${LOG}`;
    const values = coveredRows(manifest.packs, log, tail, head).flatMap(({ pack, from, to }) =>
      sectionRows(packOf(pack), log, from, to),
    );
    return [name, { tail, values }];
  });
  return new Map(buffers);
}

function sectionRows(bytes: Uint8Array, log: string, from: number, to: number): number[] {
  return readPackIndex(bytes, "pack").sections.flatMap((entry) => {
    const { content } = entry;
    if (content.kind !== "rows" || content.log !== log) return [];
    const raw = decodeSection(entry, sectionBytes(bytes, entry)).slice();
    const values = [...new Float32Array(raw.buffer)];
    return values.filter((_, place) => content.from + place >= from && content.from + place < to);
  });
}
