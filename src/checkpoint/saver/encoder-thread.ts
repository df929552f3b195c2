import { parentPort, workerData } from "node:worker_threads";
import { EndGate } from "../../base/end-gate.ts";
import { lowerThreadPriority } from "../../base/thread-priority.ts";
import { useZstdThrough } from "../../base/zstd.ts";
import type { EncodedSection } from "../../codec/contract.ts";
import { type TransferredError, toTransfer } from "../error-transfer.ts";
import { ENCODER_THREAD } from "../messages.ts";
import { encodeItem, type ToEncode } from "./encode.ts";

export interface EncoderStart {
  readonly gate: SharedArrayBuffer;
}

export interface EncodeRequest {
  readonly id: number;
  readonly item: ToEncode;
}

export interface EncodeAnswer {
  readonly id: number;
  readonly sections?: readonly EncodedSection[];
  readonly error?: TransferredError;
}

lowerThreadPriority(19);

useZstdThrough(new EndGate((workerData as EncoderStart).gate), ENCODER_THREAD);

const port = parentPort;
if (port === null) throw new Error("encoder-thread.ts must be started as a worker");

port.on("message", ({ id, item }: EncodeRequest) => {
  try {
    const sections = [...encodeItem(item)].map(withOwnMemory);
    port.postMessage(
      { id, sections } satisfies EncodeAnswer,
      sections.map((section) => section.bytes.buffer as ArrayBuffer),
    );
  } catch (error) {
    port.postMessage({ id, error: toTransfer(error) } satisfies EncodeAnswer);
  }
});

/** Transferring a slice would take its whole, possibly pooled, buffer along. */
function withOwnMemory(section: EncodedSection): EncodedSection {
  const { bytes } = section;
  const isOwn = bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength;
  return isOwn ? section : { ...section, bytes: bytes.slice() };
}
