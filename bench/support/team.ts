import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** Threads that all do the same, each with its share, when they are told to. */
export class Team {
  readonly #workers: readonly Worker[];

  /** @param source - of a thread that answers every message with one, once it is done */
  constructor(source: string, shares: readonly unknown[]) {
    this.#workers = shares.map((workerData) => new Worker(source, { eval: true, workerData }));
  }

  /** Resolves when all of them are done; each is sent its message. */
  async run(messageOf: (thread: number) => unknown): Promise<void> {
    await Promise.all(
      this.#workers.map(async (worker, thread) => {
        const done = once(worker, "message");
        worker.postMessage(messageOf(thread));
        await done;
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
