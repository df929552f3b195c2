import { CloudSession } from "../cloud/cloud-session.ts";
import { toTransfer } from "../error-transfer.ts";
import type { FromSaver, SaverCall, ToSaver } from "../messages.ts";
import type { RestoreProgress, SyncProgress } from "../options.ts";
import { FileSaver } from "./file-saver.ts";
import { RunSession } from "./run-session.ts";
import type { SessionOptions } from "./session-options.ts";

/** Answers calls and passes everything else on. */
export class SaverSession {
  readonly #tell: (message: FromSaver) => void;
  readonly #session: RunSession | FileSaver | CloudSession;
  readonly #running = new Map<number, AbortController>();

  constructor(options: SessionOptions) {
    this.#tell = options.tell;
    const { store, start } = options;
    if (start.cloud !== undefined) this.#session = new CloudSession(options, start.cloud);
    else this.#session = store === null ? new FileSaver(options) : new RunSession({ ...options, store });
  }

  handle(message: ToSaver): void {
    if (message.type === "call") void this.#answer(message.id, message.call);
    else if (message.type === "cancel") this.#running.get(message.id)?.abort();
    else if (this.#session instanceof CloudSession) this.#session.handle(message);
    else if (message.type !== "cloud") this.#session.handle(message);
  }

  async #answer(id: number, call: SaverCall): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    const onProgress = (progress: RestoreProgress | SyncProgress): void =>
      this.#tell({ type: "callProgress", id, progress });
    try {
      const value = await this.#session.call(call, { signal: controller.signal, onProgress });
      this.#tell({ type: "reply", id, value });
    } catch (error) {
      this.#tell({ type: "replyError", id, error: toTransfer(error) });
    } finally {
      this.#running.delete(id);
    }
  }
}
