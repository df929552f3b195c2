import { crc32c } from "../base/hash.ts";

/**
 * TensorBoard's event files, by hand, for they need three messages of a protocol buffer:
 *
 *   file     record after record
 *   record   u64 length | u32 masked CRC-32C of the length | data | u32 masked CRC-32C of the data     (little-endian)
 *   data     Event { 1: wall_time f64, 2: step i64, 3: file_version, 5: Summary, 7: SessionLog }
 *            Summary { 1: Value { 1: tag, 2: simple_value f32 } … }     SessionLog { 1: status }
 *
 * Source: tensorflow/core/util/event.proto, framework/summary.proto, lib/io/record_writer.h.
 */

const FILE_VERSION = "brain.Event:2";
const SESSION_STARTS = 1;
const MASK = 0xa282ead8;

/** Protocol buffers' types on the wire. */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** What an event says: that a file begins, that a run began again at its step, or scalars. */
export type TensorBoardEvent =
  | { readonly kind: "file"; readonly wallMs: number }
  | { readonly kind: "restart"; readonly wallMs: number; readonly step: number }
  | {
      readonly kind: "scalars";
      readonly wallMs: number;
      readonly step: number;
      readonly scalars: Readonly<Record<string, number>>;
    };

/** One event as a record of the file. @param event - its step: a non-negative safe integer */
export function encodeEvent(event: TensorBoardEvent): Uint8Array {
  return frame(encodeMessage(event));
}

function encodeMessage(event: TensorBoardEvent): Uint8Array {
  const wallTime = fixed(1, FIXED64, (view) => view.setFloat64(0, event.wallMs / 1000, true));
  if (event.kind === "file") return Buffer.concat([wallTime, text(3, FILE_VERSION)]);
  const step = Buffer.concat([key(2, VARINT), varint(event.step)]);
  if (event.kind === "restart") {
    const session = Buffer.concat([key(1, VARINT), varint(SESSION_STARTS)]);
    return Buffer.concat([wallTime, step, message(7, session)]);
  }
  const values = Object.entries(event.scalars).map(([tag, value]) => {
    const simple = fixed(2, FIXED32, (view) => view.setFloat32(0, value, true));
    return message(1, Buffer.concat([text(1, tag), simple]));
  });
  return Buffer.concat([wallTime, step, message(5, Buffer.concat(values))]);
}

/** A torn record is known by its checksums: a reader waits for the rest of it. */
function frame(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(8 + 4 + data.length + 4);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(masked(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(masked(data), 12 + data.length);
  return record;
}

/** A CRC of data that holds CRCs would be weak: so it is turned, and moved by a constant. */
function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + MASK) >>> 0;
}

function key(field: number, wireType: number): Uint8Array {
  return varint(field * 8 + wireType);
}

/** Seven bits a byte, the lowest first. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function fixed(field: number, wireType: typeof FIXED32 | typeof FIXED64, set: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(wireType === FIXED64 ? 8 : 4);
  set(new DataView(bytes.buffer));
  return Buffer.concat([key(field, wireType), bytes]);
}

function message(field: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([key(field, BYTES), varint(content.length), content]);
}

function text(field: number, content: string): Uint8Array {
  return message(field, Buffer.from(content, "utf8"));
}
