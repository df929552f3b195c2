import { Team } from "./team.ts";

/** A zstd frame. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly rawBytes: number;
}

/** Decodes what it was started with at every message, into memory that it forgets. */
const SOURCE = `
const { parentPort, workerData } = require("node:worker_threads");
const { zstdDecompressSync } = require("node:zlib");
parentPort.on("message", () => {
  for (const { bytes, rawBytes } of workerData) zstdDecompressSync(bytes, { chunkSize: rawBytes + 64 });
  parentPort.postMessage("done");
});`;

/** Plain zstd decoders, one a thread: the same frames as a restore has to decode, and nothing else. */
export class ZstdDecoders {
  readonly #team: Team;

  constructor(pieces: readonly Piece[], threads: number) {
    const shares = Array.from({ length: threads }, (): Piece[] => []);
    const loads = new Float64Array(threads);
    for (const piece of pieces.toSorted((a, b) => b.rawBytes - a.rawBytes)) {
      const least = loads.indexOf(Math.min(...loads));
      (shares[least] as Piece[]).push(piece);
      loads[least] = (loads[least] as number) + piece.rawBytes;
    }
    this.#team = new Team(SOURCE, shares);
  }

  decodeAll(): Promise<void> {
    return this.#team.run(() => "decode");
  }

  close(): Promise<void> {
    return this.#team.close();
  }
}
