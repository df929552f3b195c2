import { createHash, type Hash } from "node:crypto";
import { dtypeOf } from "../schema/dtype.ts";
import type { AnyBuffer, SaveRequest } from "./options.ts";
import { namedBuffers } from "./save-request.ts";
import { encodeState } from "./state-tree.ts";

/** Raw bytes that are materialised at a time. */
const CHUNK_BYTES = 8 * 1024 * 1024;

/**
 * SHA-256 over buffers and state as values: equal content gives equal hashes, whatever the blocks, ids, saves or
 * timing behind it (rule 12). Absolute row numbers, generators and priorities are part of the content.
 *
 * @returns 64 hexadecimal digits
 * Cost: materialises every transition once, on the calling thread.
 */
export function stateHash(content: Pick<SaveRequest, "buffer" | "state">): string {
  const hash = createHash("sha256");
  for (const [name, buffer] of namedBuffers(content.buffer)) {
    text(hash, `buffer ${name}`);
    addBuffer(hash, buffer);
  }
  if (content.state !== undefined) addValue(hash, content.state);
  return hash.digest("hex");
}

function addBuffer(hash: Hash, buffer: AnyBuffer): void {
  const { from, to } = buffer.rowRange();
  const { random, openEnvs, maxPriority, ignoredPriorityUpdates } = buffer.meta();
  addValue(hash, { from, to, random, openEnvs, maxPriority, ignoredPriorityUpdates, fields: buffer.fields });
  const rowBytes = buffer.size === 0 ? 1 : buffer.stats().logicalBytes / buffer.size;
  const rows = Math.max(1, Math.floor(CHUNK_BYTES / rowBytes));
  // Column by column within fixed ranges of rows: the ranges depend on the declaration only.
  for (let row = from; row < to; row += rows) addValue(hash, buffer.readRows(row, Math.min(to, row + rows)));
  const leaves = buffer.readLeaves(from, to);
  if (leaves !== null) addValue(hash, leaves);
}

function addValue(hash: Hash, value: unknown): void {
  const { json, tensors } = encodeState(value);
  text(hash, JSON.stringify(json));
  for (const tensor of tensors) {
    text(hash, `${dtypeOf(tensor)} ${tensor.length}`);
    hash.update(new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength));
  }
}

/** With its length in front, so that no two sequences of texts run together to the same bytes. */
function text(hash: Hash, value: string): void {
  hash.update(`${Buffer.byteLength(value)} ${value}`);
}
