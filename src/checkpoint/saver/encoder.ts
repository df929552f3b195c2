import { Worker } from "node:worker_threads";
import type { EndGate } from "../../base/end-gate.ts";
import { SMALL_THREAD, workerUrl } from "../../base/worker-url.ts";
import type { EncodedSection } from "../../codec/contract.ts";
import { SaverCrashedError } from "../../errors.ts";
import { fromTransfer } from "../error-transfer.ts";
import { ENCODER_THREAD } from "../messages.ts";
import { encodeItem, rawBytes, type ToEncode } from "./encode.ts";
import type { EncodeAnswer, EncodeRequest, EncoderStart } from "./encoder-thread.ts";

/**
 * Below this, in raw bytes, the saver encodes itself: a small save is then quick even when all cores are busy. Up to 4 MiB
 * it was quick too, but then a trainer that saves all the time lost a tenth of its steps to the saver.
 */
const BULK_BYTES = 1024 * 1024;

/** Encodes small things here and bulk in a thread of lowest priority, one thing at a time. */
export class Encoder {
  readonly #beat: () => void;
  readonly #gate: EndGate;
  #worker: Worker | null = null;
  readonly #waiting = new Map<number, PromiseWithResolvers<readonly EncodedSection[]>>();
  #nextId = 1;

  /** @param gate - where the encoder's thread is held back before it is ended */
  constructor(beat: () => void, gate: EndGate) {
    this.#beat = beat;
    this.#gate = gate;
  }

  /**
   * Hands over the sections of each item, in order, as soon as they are encoded.
   *
   * @param bulkBytes - raw bytes from which the encoder's thread does it
   */
  async encodeAll(
    items: readonly ToEncode[],
    onItem: (item: ToEncode, sections: readonly EncodedSection[]) => Promise<void>,
    bulkBytes: number = BULK_BYTES,
  ): Promise<void> {
    const total = items.reduce((sum, item) => sum + rawBytes(item), 0);
    if (total < bulkBytes) {
      for (const item of items) {
        await onItem(item, [...encodeItem(item)]);
        this.#beat();
      }
      return;
    }
    // One item ahead: the encoder's thread works while the last result is put into a pack.
    let ahead: Promise<readonly EncodedSection[]> | null = null;
    for (const [index, item] of items.entries()) {
      const sections = await (ahead ?? this.#inThread(item));
      const next = items[index + 1];
      ahead = next === undefined ? null : this.#inThread(next);
      ahead?.catch(() => undefined);
      await onItem(item, sections);
      this.#beat();
    }
  }

  /** Waits for what is being encoded: Node may not survive that a thread is ended in the middle of it. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#waiting.values()].map(({ promise }) => promise));
    await this.#worker?.terminate();
    this.#worker = null;
  }

  #inThread(item: ToEncode): Promise<readonly EncodedSection[]> {
    const worker = (this.#worker ??= this.#start());
    const id = this.#nextId++;
    const settled = Promise.withResolvers<readonly EncodedSection[]>();
    this.#waiting.set(id, settled);
    worker.postMessage({ id, item } satisfies EncodeRequest);
    return settled.promise;
  }

  #start(): Worker {
    const worker = new Worker(workerUrl("./encoder-thread", import.meta.url), {
      name: "varve-encoder",
      execArgv: [],
      resourceLimits: SMALL_THREAD,
      workerData: { gate: this.#gate.memory } satisfies EncoderStart,
    });
    worker.on("message", ({ id, sections, error }: EncodeAnswer) => {
      const settled = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error !== undefined) settled?.reject(fromTransfer(error));
      else settled?.resolve(sections ?? []);
    });
    const failed = (detail: string, cause?: unknown): void => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      this.#gate.leave(ENCODER_THREAD);
      const error = new SaverCrashedError(`its encoder ended: ${detail}`, cause);
      for (const settled of this.#waiting.values()) settled.reject(error);
      this.#waiting.clear();
    };
    worker.on("error", (error) => failed(error.message, error));
    worker.on("exit", (code) => failed(`exit code ${code}`));
    worker.unref();
    return worker;
  }
}
