/** A pack on its way to the store, or in it. */
export class PackRecord {
  /** Set when the pack is closed; its name contains its hash. */
  name = "";
  /** Stored bytes; while the pack is open, those of its sections so far. */
  bytes = 0;
  /** Bytes of its sections alone: the index may be larger than small tensors are. */
  contentBytes = 0;
  /** Resolves when the store has acknowledged the pack; rejects when it was given up. */
  readonly stored: Promise<void>;
  readonly #settled = Promise.withResolvers<void>();
  #state: "open" | "stored" | "failed" = "open";

  constructor() {
    this.stored = this.#settled.promise;
    // Whoever names the pack awaits `stored`; a pack that nobody names may fail unheard (its rows are un-marked).
    this.stored.catch(() => undefined);
  }

  /**
   * A pack that a manifest of this run names already.
   *
   * @param namedBytes - stored bytes of the tensors in it that the manifest names
   */
  static known(name: string, bytes: number, namedBytes: number): PackRecord {
    const record = new PackRecord();
    record.close(name, bytes);
    // What else it holds is not known without reading it; an index takes half of a pack at most, or about that.
    record.contentBytes = Math.max(namedBytes, bytes / 2);
    record.acknowledge();
    return record;
  }

  /** Whether sections may still be added. */
  get isOpen(): boolean {
    return this.name === "" && this.#state === "open";
  }

  get state(): "open" | "stored" | "failed" {
    return this.#state;
  }

  close(name: string, bytes: number): void {
    this.name = name;
    this.bytes = bytes;
  }

  acknowledge(): void {
    this.#state = "stored";
    this.#settled.resolve();
  }

  giveUp(error: unknown): void {
    this.#state = "failed";
    this.#settled.reject(error);
  }
}
