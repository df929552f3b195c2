import { decodeSectionAsync } from "../../codec/section.ts";
import { CorruptError, InvalidArgumentError } from "../../errors.ts";
import { coveredRows } from "../../manifest/coverage.ts";
import type { Manifest, ManifestBuffer, PackRef, TensorRef } from "../../manifest/manifest.ts";
import type { FieldSet, ObservationField } from "../../schema/fields.ts";
import { idsColumn, inlineColumn, slicesColumn } from "../../schema/layouts.ts";
import type { ReadColumn, ReadRows, SaverCall } from "../messages.ts";
import type { LoadedPack } from "./pack-reader.ts";
import { copyColumns, type DecodedRows, type OpenLog, placeOf } from "./read-log.ts";
import { Recent } from "./recent.ts";
import { readTensor } from "./restore-source.ts";
import { decodeGroup, sectionGroups } from "./section-groups.ts";
import { layoutOf } from "./whole-buffer.ts";
import { readWindowIndices, type WindowLogs } from "./window-indices.ts";

type RowsCall = Extract<SaverCall, { method: "rows" }>;
type TensorCall = Extract<SaverCall, { method: "tensor" }>;

/** Of packs as stored, about 8 MiB each, and of decoded rows, 4 MiB at a time: what rows in order need, and some. */
const PACKS_BYTES = 48 * 1024 * 1024;
const DECODED_BYTES = 64 * 1024 * 1024;
const PAGES_BYTES = 4 * 1024 * 1024;

interface OpenBuffer {
  readonly saved: ManifestBuffer;
  readonly fields: FieldSet;
  readonly logs: readonly OpenLog[];
  readonly interned: readonly InternedField[];
}

interface InternedField extends WindowLogs {
  readonly field: ObservationField;
}

export interface RowSourceOptions {
  /** A manifest by name, checked. */
  readonly manifest: (name: string, signal: AbortSignal) => Promise<Manifest>;
  /** A pack, checked. */
  readonly pack: (ref: PackRef, signal: AbortSignal) => Promise<LoadedPack>;
}

/**
 * Reads rows of checkpoints a few MiB at a time, for whoever wants them without a buffer to hold them all. Everything
 * is checked before it is used (rule 11). Memory is bounded by the limits above, whatever a checkpoint holds, and by
 * one row.
 */
export class RowSource {
  readonly #options: RowSourceOptions;
  readonly #packs = new Recent<LoadedPack>(PACKS_BYTES);
  readonly #decoded = new Recent<DecodedRows>(DECODED_BYTES);
  readonly #pages = new Recent<Float64Array>(PAGES_BYTES);
  /** By checkpoint and buffer: of the last one that was asked for. */
  #open: { readonly key: string; readonly buffer: OpenBuffer } | null = null;

  constructor(options: RowSourceOptions) {
    this.#options = options;
  }

  /**
   * Rows from `from` on: as many as lie decoded together and fit in `maxBytes`, one at least.
   *
   * @throws CorruptError; InvalidArgumentError where there is no such buffer, log or row
   */
  async rows(call: RowsCall, signal: AbortSignal): Promise<ReadRows> {
    const buffer = await this.#openBuffer(call.manifest, call.buffer, signal);
    const log = buffer.logs[call.log];
    if (log === undefined) throw new InvalidArgumentError("log", `one of ${buffer.logs.length} logs`, call.log);
    const from = log.tail + call.from;
    if (call.from < 0 || from >= log.head) throw new InvalidArgumentError("from", "a row that is held", call.from);
    const rows = await this.#rowsAt(log, from, signal);
    const most = Math.max(1, Math.floor(call.maxBytes / rowBytesOf(buffer, call)));
    const to = Math.min(rows.to, log.tail + call.to, from + most);
    const stored = copyColumns(log, rows, from, to);
    if (call.log !== 0) return { from: call.from, to: to - log.tail, columns: stored };
    const columns = await this.#putTogether(buffer, stored, call.asWindows, signal);
    if (buffer.saved.prioritized !== null) {
      columns.push(await this.#priorities(call.manifest, buffer, from, to, signal));
    }
    return { from: call.from, to: to - log.tail, columns };
  }

  /** One stored piece of a state tensor, checked. */
  async tensor({ manifest: name, index }: TensorCall, signal: AbortSignal): Promise<ArrayBuffer> {
    const manifest = await this.#options.manifest(name, signal);
    const tensor = manifest.tensors[index];
    if (tensor === undefined) throw new InvalidArgumentError("index", "the number of a tensor", index);
    return this.#tensor(manifest, tensor, signal);
  }

  async #openBuffer(manifestName: string, name: string, signal: AbortSignal): Promise<OpenBuffer> {
    const key = `${manifestName} ${name}`;
    if (this.#open?.key === key) return this.#open.buffer;
    const manifest = await this.#options.manifest(manifestName, signal);
    const saved = Object.hasOwn(manifest.buffers, name) ? manifest.buffers[name] : undefined;
    if (saved === undefined) {
      const names = Object.keys(manifest.buffers).join(", ");
      throw new InvalidArgumentError("buffer", `one of the checkpoint's buffers (${names || "none"})`, name);
    }
    const { fields, layouts } = layoutOf(manifestName, saved);
    const logs = layouts.map((layout, index): OpenLog => {
      const { tail, head } = saved.logs[index] as ManifestBuffer["logs"][number];
      const log = `${name}/${layout.name}`;
      return { manifest, name: log, layout, tail, head, covered: coveredRows(manifest.packs, log, tail, head) };
    });
    const interned = fields.observations
      .filter((field) => field.interned !== null)
      .map((field, i, { length: count }): InternedField => {
        const [frames, slices] = [logs[1 + i] as OpenLog, logs[1 + count + i] as OpenLog];
        return { field, frames, slices, length: field.interned?.frames ?? 1 };
      });
    const buffer = { saved, fields, logs, interned };
    // Decoded rows are kept by log and row, which another checkpoint may have differently.
    this.#decoded.clear();
    this.#pages.clear();
    this.#open = { key, buffer };
    return buffer;
  }

  /** The decoded rows around one row, as far as its pack counts for them. */
  async #rowsAt(log: OpenLog, row: number, signal: AbortSignal): Promise<DecodedRows> {
    const place = placeOf(log, row);
    const ref = log.manifest.packs[place.pack] as PackRef;
    const pack = await this.#pack(ref, signal);
    const [group] = sectionGroups(pack, log.name, row, row + 1);
    if (group === undefined)
      throw new CorruptError(ref.name, `row ${row} of ${log.name}, which the manifest places in it, is missing`);
    const key = `${log.name} ${ref.name} ${group.from}-${group.to}`;
    const known = this.#decoded.get(key);
    const columns =
      known?.columns ?? (await decodeGroup({ pack, decode: decodeSectionAsync }, group, log.layout.columns));
    if (known === undefined) {
      const bytes = [...columns.values()].reduce((sum, column) => sum + column.byteLength, 0);
      this.#decoded.set(key, { from: group.from, to: group.to, columns }, bytes);
    }
    // A pack may hold more rows than count: they are cut off at the end, and `from` stays that of the columns.
    return { from: group.from, to: Math.min(group.to, place.to), columns };
  }

  async #pack(ref: PackRef, signal: AbortSignal): Promise<LoadedPack> {
    const known = this.#packs.get(ref.name);
    if (known !== undefined) return known;
    const pack = await this.#options.pack(ref, signal);
    this.#packs.set(ref.name, pack, ref.bytes);
    return pack;
  }

  async #tensor(manifest: Manifest, tensor: TensorRef, signal: AbortSignal): Promise<ArrayBuffer> {
    // A manifest whose tensors lie in packs that it does not name was refused when it was read.
    return readTensor(await this.#pack(manifest.packs[tensor.pack] as PackRef, signal), tensor);
  }

  /** All columns; in the place of slices windows, behind the others, or ids, which are indices into the frames. */
  async #putTogether(
    { interned }: OpenBuffer,
    stored: readonly ReadColumn[],
    asWindows: boolean,
    signal: AbortSignal,
  ): Promise<ReadColumn[]> {
    const columns = [...stored];
    for (const logs of interned) {
      const { field, frames, length } = logs;
      for (const next of [false, true]) {
        const at = columns.findIndex(({ name }) => name === slicesColumn(field, next));
        const [{ bytes: firsts }] = columns.splice(at, 1) as [ReadColumn];
        const read = (log: OpenLog, row: number): Promise<DecodedRows> => this.#rowsAt(log, row, signal);
        const indices = await readWindowIndices(logs, new Uint32Array(firsts.buffer), read);
        if (asWindows) {
          const bytes = await this.#gather(frames, indices, field.interned?.frameBytes ?? 0, signal);
          columns.push({ name: inlineColumn(field, next), dtype: field.dtype, shape: field.shape, bytes });
        } else {
          const bytes = new Uint8Array(indices.buffer);
          columns.splice(at, 0, { name: idsColumn(field, next), dtype: "uint32", shape: [length], bytes });
        }
      }
    }
    return columns;
  }

  /** The frames with these indices, one after another. */
  async #gather(log: OpenLog, indices: Uint32Array, frameBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    let result: Uint8Array | null = null;
    for (let at = 0; at < indices.length; ) {
      const row = log.tail + (indices[at] as number);
      const rows = await this.#rowsAt(log, row, signal);
      // Windows are runs of frames in order: one copy for each run.
      let count = 1;
      while (at + count < indices.length && row + count < rows.to && indices[at + count] === row + count - log.tail) {
        count++;
      }
      const frames = rows.columns.get("frame") as Uint8Array;
      const start = (row - rows.from) * frameBytes;
      result ??= new Uint8Array(indices.length * frameBytes);
      result.set(frames.subarray(start, start + count * frameBytes), at * frameBytes);
      at += count;
    }
    return result ?? new Uint8Array(0);
  }

  /** Leaves of the sum-tree, priority^alpha, of rows [from, to). */
  async #priorities(
    manifestName: string,
    { saved }: OpenBuffer,
    from: number,
    to: number,
    signal: AbortSignal,
  ): Promise<ReadColumn> {
    const { priorityPages, capacity } = saved;
    const perPage = saved.prioritized?.leavesPerPage ?? 1;
    const leaves = new Float64Array(to - from);
    for (let row = from; row < to; row++) {
      const leaf = row % capacity;
      const page = await this.#page(manifestName, priorityPages[Math.floor(leaf / perPage)], signal);
      const value = page?.[leaf % perPage];
      if (value === undefined) throw new CorruptError(manifestName, `the priority of row ${row} is missing`);
      leaves[row - from] = value;
    }
    return { name: "priority.scaled", dtype: "float64", shape: [], bytes: new Uint8Array(leaves.buffer) };
  }

  async #page(manifestName: string, index: number | undefined, signal: AbortSignal): Promise<Float64Array | undefined> {
    if (index === undefined) return undefined;
    const known = this.#pages.get(String(index));
    if (known !== undefined) return known;
    const manifest = await this.#options.manifest(manifestName, signal);
    const tensor = manifest.tensors[index] as TensorRef;
    const leaves = new Float64Array(await this.#tensor(manifest, tensor, signal));
    this.#pages.set(String(index), leaves, leaves.byteLength);
    return leaves;
  }
}

/** What one row is handed out as. */
function rowBytesOf({ fields, logs, interned }: OpenBuffer, { log, asWindows }: RowsCall): number {
  if (log === 0 && asWindows) return fields.logicalRowBytes;
  const { rowBytes } = (logs[log] as OpenLog).layout;
  return log === 0 ? interned.reduce((sum, { length }) => sum + 2 * 4 * (length - 1), rowBytes) : rowBytes;
}
