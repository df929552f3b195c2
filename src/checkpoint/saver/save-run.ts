import type { EncodedSection } from "../../codec/contract.ts";
import type { SharedStatus } from "../shared-status.ts";
import type { JsonTree } from "../state-tree.ts";
import type { AttachedBuffer } from "./attached-buffer.ts";
import type { CoverageBook } from "./coverage-book.ts";
import { type RowsToEncode, rawBytes, type TensorToEncode, type ToEncode } from "./encode.ts";
import type { Encoder } from "./encoder.ts";
import type { MemoryPressure } from "./memory-pressure.ts";
import type { PackAssembler } from "./pack-assembler.ts";
import type { PackRecord } from "./pack-record.ts";
import type { JobBuffer, SaveJob } from "./save-job.ts";
import { tensorPieces } from "./tensor-pieces.ts";
import type { ShelvedTensor } from "./tensor-shelf.ts";
import { TensorShelf } from "./tensor-shelf.ts";

/** What saves of one writer share. */
export interface SaveContext {
  readonly coverage: CoverageBook;
  readonly shelf: TensorShelf;
  readonly encoder: Encoder;
  readonly assembler: PackAssembler;
  readonly status: SharedStatus;
  readonly pressure: MemoryPressure;
  readonly onProgress: (job: SaveJob) => void;
}

/** Everything a save has stored or found stored, before the manifest. */
export interface SavedContent {
  readonly tensors: readonly ShelvedTensor[];
  /** For each tensor of the state, the numbers of its pieces in `tensors`. */
  readonly statePieces: readonly (readonly number[])[];
  readonly state: JsonTree;
  /** For each buffer, the numbers of its priority pages in `tensors`. */
  readonly priorityPages: ReadonlyMap<string, readonly number[]>;
}

/** Encodes what is not saved yet and hands it to packs; resolves when nothing of the job's memory is needed any more. */
export async function encodeSave(job: SaveJob, context: SaveContext): Promise<SavedContent> {
  const rows = job.buffers.flatMap((buffer) => rowsToEncode(buffer, context.coverage));
  const { status } = context;
  status.setAmount("rawDone", 0);
  status.setAmount(
    "rawTotal",
    rows.reduce((sum, item) => sum + rawBytes(item), 0),
  );
  await encodeRows(rows, job, context);
  job.releaseRows();
  const content = await encodeTensors(job, context);
  job.releaseState();
  await context.assembler.flush();
  return content;
}

/**
 * Pages of priorities up to this much are encoded by the saver itself: every save touches a good part of them, and a
 * niced thread would make each save wait for a free core.
 */
const PRIORITY_BULK_BYTES = 16 * 1024 * 1024;

interface RowsOfLog extends RowsToEncode {
  readonly buffer: JobBuffer;
}

/** Rows of the snapshot that no pack holds, in pieces of one block each. */
function rowsToEncode(buffer: JobBuffer, coverage: CoverageBook): RowsOfLog[] {
  const { attached, name, bounds } = buffer;
  return attached.logs.flatMap(({ layout }, index) => {
    const { tail = 0, head = 0 } = bounds[index] ?? {};
    const covered = coverage.of(name, attached.description.incarnation, layout.name);
    const mergeFrom = covered.mergeFrom(tail);
    if (mergeFrom !== null) covered.uncoverFrom(mergeFrom);
    return covered
      .missing({ from: tail, to: head })
      .flatMap(({ from, to }) => rowItems(attached, index, `${name}/${layout.name}`, from, to))
      .map((item) => ({ ...item, buffer }));
  });
}

/**
 * Rows of one incarnation only: after a restore, other rows come under the same numbers, and a pack must not hold both
 * (rule 4). Slices leave with the transitions that name them, so they lie with them: one file and not two for each save.
 */
export function rowsLifetime(log: string, incarnation: string): string {
  return `${log.replace(/\/slices\/.*$/, "/transitions")} ${incarnation}`;
}

export function rowItems(
  attached: AttachedBuffer,
  index: number,
  log: string,
  from: number,
  to: number,
): RowsToEncode[] {
  return [...attached.chunks(index, from, to)].map(({ layout, memory, from: first, to: end }) => ({
    kind: "rows",
    log,
    layout,
    memory,
    from: first,
    to: end,
  }));
}

async function encodeRows(rows: readonly RowsOfLog[], job: SaveJob, context: SaveContext): Promise<void> {
  const { coverage, assembler, status, pressure } = context;
  const { sequence } = job.message;
  const bufferOf = new Map(rows.map((item) => [item.log, item.buffer]));
  const items = rows.map(({ buffer: _buffer, ...item }): RowsToEncode => item);
  await context.encoder.encodeAll(items, async (item, sections) => {
    if (item.kind !== "rows") return;
    pressure.assertNotAsked(sequence);
    const buffer = bufferOf.get(item.log);
    if (buffer === undefined) return;
    const { incarnation } = buffer.attached.description;
    const covered = coverage.of(buffer.name, incarnation, item.layout.name);
    const onPlaced = (record: PackRecord): void => covered.assign(item.from, item.to, record);
    await pressure.unlessAsked(sequence, (signal) =>
      assembler.add(rowsLifetime(item.log, incarnation), sections, { onPlaced, signal }),
    );
    status.setAmount("rawDone", status.amount("rawDone") + rawBytes(item));
    context.onProgress(job);
  });
}

async function encodeTensors(job: SaveJob, context: SaveContext): Promise<SavedContent> {
  const { message } = job;
  const state = job.tensors.map(({ dtype, length, memory, byteOffset }) =>
    tensorPieces(dtype, length, memory, byteOffset),
  );
  const pages = new Map(job.buffers.map(({ name, priorities }) => [name, priorities?.tensors() ?? []]));
  const wanted = [...state.flat(), ...[...pages.values()].flat()];
  const placed = new Map<string, ShelvedTensor>(context.shelf.choose(wanted.map(keyOf)));
  await store("state", state.flat(), placed, context);
  await store("priorities", [...pages.values()].flat(), placed, context, PRIORITY_BULK_BYTES);
  const numbers = new Map([...placed.keys()].map((key, number) => [key, number]));
  const numberOf = (piece: TensorToEncode): number => numbers.get(keyOf(piece)) ?? -1;
  return {
    tensors: [...placed.values()],
    statePieces: state.map((pieces) => pieces.map(numberOf)),
    state: message.stateJson === null ? null : (JSON.parse(message.stateJson) as JsonTree),
    priorityPages: new Map([...pages].map(([name, list]) => [name, list.map(numberOf)])),
  };
}

/** Encodes the tensors that are not placed yet, each content once. */
async function store(
  lifetime: string,
  pieces: readonly TensorToEncode[],
  placed: Map<string, ShelvedTensor>,
  context: SaveContext,
  bulkBytes?: number,
): Promise<void> {
  const fresh = new Map(pieces.filter((piece) => !placed.has(keyOf(piece))).map((piece) => [keyOf(piece), piece]));
  const place = async (item: ToEncode, sections: readonly EncodedSection[]): Promise<void> => {
    const [section] = sections;
    if (item.kind !== "tensor" || section === undefined) return;
    // Its memory is gone as soon as it lies in a pack.
    const storedBytes = section.bytes.byteLength;
    const { record, first } = await context.assembler.add(lifetime, sections);
    const { sha256, dtype, length } = item;
    placed.set(keyOf(item), { sha256, dtype, length, record, section: first, storedBytes });
  };
  await context.encoder.encodeAll([...fresh.values()], place, bulkBytes);
}

function keyOf(piece: TensorToEncode): string {
  return TensorShelf.key(piece.dtype, piece.sha256);
}
