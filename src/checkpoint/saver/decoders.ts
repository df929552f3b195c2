import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { EndGate } from "../../base/end-gate.ts";
import { SMALL_THREAD, workerUrl } from "../../base/worker-url.ts";
import { SaverCrashedError } from "../../errors.ts";
import type { PackRef } from "../../manifest/manifest.ts";
import { fromTransfer } from "../error-transfer.ts";
import { DECODER_THREADS } from "../messages.ts";
import type { DecodeAnswer, DecoderStart, ToDecoder } from "./decoder-thread.ts";
import type { Places } from "./fill-pack.ts";
import type { PackInMemory } from "./pack-reader.ts";

interface DecoderThread {
  readonly worker: Worker;
  /** Its number at the gate. */
  readonly number: number;
  underWay: number;
}

/**
 * Threads that decode packs into blocks while this one reads and hashes the next: unshuffling, checksums and `next-of`
 * take as long as zstd, and zstd alone would run in Node's pool.
 */
export class Decoders {
  readonly #gate: EndGate;
  readonly #threads: DecoderThread[];
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  #lost: SaverCrashedError | null = null;
  #nextId = 1;

  /**
   * @param gate - where the threads are held back before they are ended
   * @param places - where everything that `fill` will be asked for goes; sent to each thread once
   */
  constructor(gate: EndGate, places: Places) {
    this.#gate = gate;
    const numbers = DECODER_THREADS.slice(0, availableParallelism());
    this.#threads = numbers.map((number) => ({ worker: this.#start(number, places), number, underWay: 0 }));
  }

  /**
   * Decodes what is wanted of a pack in the thread that has least to do. Takes the pack's memory.
   *
   * @throws CorruptError as `fillFromPack`; SaverCrashedError when a thread ended
   */
  fill({ name, bytes, index }: PackInMemory, covers: PackRef["covers"]): Promise<void> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    const thread = this.#threads.reduce((least, each) => (each.underWay < least.underWay ? each : least));
    const id = this.#nextId++;
    const settled = Promise.withResolvers<void>();
    this.#waiting.set(id, settled);
    thread.underWay++;
    const own = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    const message: ToDecoder = { id, name, bytes: own, index, covers };
    thread.worker.postMessage(message, [own.buffer as ArrayBuffer]);
    return settled.promise.finally(() => thread.underWay--);
  }

  /** Waits for what is being decoded: Node may not survive that a thread is ended in the middle of it. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#waiting.values()].map(({ promise }) => promise));
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #start(number: number, places: Places): Worker {
    const worker = new Worker(workerUrl("./decoder-thread", import.meta.url), {
      name: "varve-decoder",
      execArgv: [],
      resourceLimits: SMALL_THREAD,
      workerData: { gate: this.#gate.memory, number, places } satisfies DecoderStart,
    });
    worker.on("message", ({ id, error }: DecodeAnswer) => {
      const settled = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) settled?.resolve();
      else settled?.reject(fromTransfer(error));
    });
    worker.on("error", (error) => this.#lose(number, error.message, error));
    worker.on("exit", (code) => this.#lose(number, `exit code ${code}`));
    worker.unref();
    return worker;
  }

  #lose(number: number, detail: string, cause?: unknown): void {
    this.#gate.leave(number);
    this.#lost ??= new SaverCrashedError(`its decoder ended: ${detail}`, cause);
    for (const settled of this.#waiting.values()) settled.reject(this.#lost);
    this.#waiting.clear();
  }
}
