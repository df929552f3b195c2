// What python_original.py does, with Varve in place of deque, pickle, gzip and pool: `DATA WORK RESULT SECONDS`.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { differentRows, RowFiles } from "../peers/node-harness.ts";
import { peerData } from "../peers/shared-data.ts";
import { openVarve, type VarvePeer } from "../peers/varve-peer.ts";
import { PeakMemory, settle } from "../support/memory.ts";
import type { OriginalFigures } from "./figures.ts";

const WIDTH = 96;
const NEW_PART = 25;

class Trainer {
  readonly #peer: VarvePeer;
  readonly #files: RowFiles;
  readonly #weights = new Float32Array(WIDTH * WIDTH).fill(0.01);
  readonly #input = new Float32Array(WIDTH).fill(1);
  readonly #output = new Float32Array(WIDTH);
  total = 0;

  constructor(peer: VarvePeer, files: RowFiles) {
    this.#peer = peer;
    this.#files = files;
    while (this.total < files.meta.capacity) this.append();
  }

  append(): void {
    const { capacity, added } = this.#files.meta;
    if (this.total >= capacity + added) throw new Error("The data does not suffice for so many generations");
    this.#peer.add(this.#files.read(this.total, this.total + 1), 1);
    this.total += 1;
  }

  /** Trains for a fixed number of steps; returns how long that took, in seconds. */
  generation(layers: number): number {
    const startedMs = performance.now();
    const every = Math.floor(layers / Math.max(1, Math.floor(this.#files.meta.capacity / NEW_PART)));
    for (let step = 0; step < layers; step++) {
      this.#layer();
      if (step % every === 0) this.append();
    }
    return (performance.now() - startedMs) / 1000;
  }

  #layer(): void {
    const [weights, input, output] = [this.#weights, this.#input, this.#output];
    for (let i = 0; i < WIDTH; i++) {
      let sum = 0;
      for (let j = 0; j < WIDTH; j++) sum += (weights[i * WIDTH + j] as number) * (input[j] as number);
      output[i] = sum;
    }
    input[0] = output[0] as number;
  }
}

const [dataFolder, work, result, seconds] = process.argv.slice(2) as [string, string, string, string];
const windows = peerData.find(({ name }) => name === "windows");
if (windows === undefined) throw new Error("There is no data of windows");
const files = new RowFiles(dataFolder);
mkdirSync(join(work, "saved"));
const peer = await openVarve(windows, files.meta, work);
const trainer = new Trainer(peer, files);
trainer.generation(20_000);
const layers = Math.ceil((20_000 * Number(seconds)) / trainer.generation(20_000));
const withoutS = [1, 2, 3].map(() => trainer.generation(layers));
const first = trainer.total - files.meta.capacity;
await settle();

const memory = new PeakMemory();
const save = peer.checkpointer.save({ step: 1, buffer: peer.buffer });
const generationsS: number[] = [];
// The thread of the trainer never yields; the status is read from shared memory.
do generationsS.push(trainer.generation(layers) + (generationsS.length === 0 ? save.blockedMs / 1000 : 0));
while (peer.checkpointer.status().pending > 0);
const extraRssBytes = Math.max(0, memory.extraBytes);
const { storedBytes } = await save.durable;
await peer.close();

const restored = await openVarve(windows, files.meta, work);
const startedMs = performance.now();
await restored.load(1);
const restoreMs = performance.now() - startedMs;
const tornRows = differentRows(restored, files, first);
await restored.close();
const { blockedMs } = save;
const measured: OriginalFigures = {
  version: peer.version,
  withoutS,
  generationsS,
  blockedMs,
  extraRssBytes,
  writtenBytes: storedBytes,
  restoreMs,
  tornRows,
};
writeFileSync(result, JSON.stringify(measured));
process.exit(0);
