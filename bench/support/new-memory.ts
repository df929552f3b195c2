import { Team } from "./team.ts";

const BLOCK_BYTES = 4 * 2 ** 20;

const SOURCE = `
const { parentPort } = require("node:worker_threads");
const source = new Uint8Array(${BLOCK_BYTES}).fill(1);
parentPort.on("message", (blocks) => {
  for (const block of blocks) new Uint8Array(block).set(source.subarray(0, block.byteLength));
  parentPort.postMessage("done");
});`;

/** Plain copies into memory that was never touched: what anything must do that fills as much, before it does anything. */
export class NewMemory {
  readonly #bytes: number;
  readonly #threads: number;
  readonly #team: Team;

  constructor(bytes: number, threads: number) {
    this.#bytes = bytes;
    this.#threads = threads;
    this.#team = new Team(SOURCE, Array.from({ length: threads }));
  }

  async fillAll(): Promise<void> {
    const shares = Array.from({ length: this.#threads }, (): SharedArrayBuffer[] => []);
    for (let left = this.#bytes, i = 0; left > 0; left -= BLOCK_BYTES, i++) {
      shares[i % shares.length]?.push(new SharedArrayBuffer(Math.min(left, BLOCK_BYTES)));
    }
    await this.#team.run((thread) => shares[thread]);
  }

  close(): Promise<void> {
    return this.#team.close();
  }
}
