import { parentPort, workerData } from "node:worker_threads";
import { EndGate } from "../../base/end-gate.ts";
import { freeMemory } from "../../base/memory.ts";
import { useZstdThrough } from "../../base/zstd.ts";
import type { SectionEntry } from "../../codec/contract.ts";
import type { PackIndex } from "../../codec/pack-index.ts";
import { decodeSection } from "../../codec/section.ts";
import { sectionBytes } from "../../codec/section-size.ts";
import type { PackRef } from "../../manifest/manifest.ts";
import { type TransferredError, toTransfer } from "../error-transfer.ts";
import { fillFromPack, type Places } from "./fill-pack.ts";

export interface DecoderStart {
  readonly gate: SharedArrayBuffer;
  /** This thread's at the gate. */
  readonly number: number;
  readonly places: Places;
}

/** A whole pack whose hash was checked; the index was read there, so that no thread loads zod for it. */
export interface ToDecoder {
  readonly id: number;
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly index: PackIndex;
  readonly covers: PackRef["covers"];
}

export interface DecodeAnswer {
  readonly id: number;
  readonly error?: TransferredError;
}

const { gate, number, places } = workerData as DecoderStart;
useZstdThrough(new EndGate(gate), number);

const port = parentPort;
if (port === null) throw new Error("decoder-thread.ts must be started as a worker");

async function decode({ name, bytes, index, covers }: ToDecoder): Promise<void> {
  const pack = { name, index, stored: (entry: SectionEntry) => sectionBytes(bytes, entry) };
  await fillFromPack(pack, covers, places, decodeSection);
  freeMemory(bytes.buffer);
}

port.on("message", (message: ToDecoder) => {
  decode(message).then(
    () => port.postMessage({ id: message.id } satisfies DecodeAnswer),
    (error: unknown) => port.postMessage({ id: message.id, error: toTransfer(error) } satisfies DecodeAnswer),
  );
});
