import { join } from "node:path";
import { dtypeNames } from "./dtypes.ts";
import type { ExportedArray, ExportPlan } from "./export-plan.ts";

/** Raw bytes of a chunk: few enough files, and little enough in memory for each array. */
const CHUNK_BYTES = 1024 * 1024;

/** Of the chunks that are filled together: all columns of the buffer are. Frames and tensors come one after another. */
const OPEN_CHUNKS_BYTES = 32 * 1024 * 1024;

/** How an array is cut into chunks along its first axis. */
export interface ZarrChunks {
  readonly array: ExportedArray;
  /** Rows of the array. */
  readonly length: number;
  readonly rowBytes: number;
  readonly rowsPerChunk: number;
}

/** Of all arrays: the plan alone decides it, so that another process goes on with the same chunks. */
export function layOutChunks({ arrays, sections }: ExportPlan): ZarrChunks[] {
  const alone = new Set(sections.flatMap((section) => (section.kind === "rows" ? [] : [section.array])));
  const together = arrays.length - alone.size;
  return arrays.map((array) => {
    const [length = 0, ...shape] = array.shape;
    const rowBytes = shape.reduce((product, axis) => product * axis, dtypeNames[array.dtype].bytes);
    const bytes = alone.has(array.name) ? CHUNK_BYTES : Math.min(CHUNK_BYTES, OPEN_CHUNKS_BYTES / together);
    return { array, length, rowBytes, rowsPerChunk: Math.max(1, Math.min(Math.floor(bytes / rowBytes), length)) };
  });
}

/** Of so many rows, the chunks that nothing is added to any more: the last one of the array need not be full. */
export function finishedChunks({ length, rowsPerChunk }: ZarrChunks, rows: number): number {
  return rows === length ? Math.ceil(rows / rowsPerChunk) : Math.floor(rows / rowsPerChunk);
}

/** Of so many rows, those in a chunk that more are added to. */
export function openRows(chunks: ZarrChunks, rows: number): number {
  return Math.max(0, rows - finishedChunks(chunks, rows) * chunks.rowsPerChunk);
}

export function chunkName({ array }: ZarrChunks, index: number): string {
  return join(array.name, "c", String(index), ...array.shape.slice(1).map(() => "0"));
}
