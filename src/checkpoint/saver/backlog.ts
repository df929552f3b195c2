import type { SaveResult } from "../options.ts";

export interface PackToSend {
  readonly name: string;
  readonly bytes: number;
}

/** A checkpoint that is durable in the local tier and not in the run's store, or not whole there. */
export interface BacklogEntry {
  readonly name: string;
  readonly packs: readonly PackToSend[];
  /** The store has its manifest: only these packs are to be sent, and nothing is committed. */
  readonly isRepair: boolean;
  readonly manifestBytes: number;
  /** When it became durable, in ms since 1970; information only. */
  readonly sinceMs: number;
  /** Of a save of this process; null for what an earlier one left, or a comparison found before the save had ended. */
  result: SaveResult | null;
  /** Its `committed` promise is not settled. */
  isAwaited: boolean;
  /** Why this process does not try to send it any more. */
  problem: Error | null;
}

/** What the run's store lacks, how much that is, and since when. */
export class Backlog {
  readonly #entries = new Map<string, BacklogEntry>();
  /** Packs that the store has: acknowledged to this process, named by its checkpoints, or seen there and trusted. */
  readonly #present = new Set<string>();
  /** Packs still to be sent, and how many entries name them. */
  readonly #missing = new Map<string, { readonly bytes: number; count: number }>();
  #packBytes = 0;

  /** Retention must not remove them from the local tier (rule 10). */
  get names(): ReadonlySet<string> {
    return new Set(this.#entries.keys());
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What there is to send, packs that several checkpoints name counted once. */
  get bytes(): number {
    return this.entries().reduce((sum, { manifestBytes }) => sum + manifestBytes, this.#packBytes);
  }

  /** When the oldest became durable; null while the store lacks nothing. */
  get sinceMs(): number | null {
    const times = this.entries().map(({ sinceMs }) => sinceMs);
    return times.length === 0 ? null : times.reduce((oldest, time) => Math.min(oldest, time));
  }

  /** From the oldest checkpoint to the newest. */
  entries(): readonly BacklogEntry[] {
    return [...this.#entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Those that are still to be tried. */
  sendable(): readonly BacklogEntry[] {
    return this.entries().filter(({ problem }) => problem === null);
  }

  get(name: string): BacklogEntry | undefined {
    return this.#entries.get(name);
  }

  add(entry: BacklogEntry): void {
    const known = this.#entries.get(entry.name);
    if (known !== undefined) {
      known.result ??= entry.result;
      known.isAwaited ||= entry.isAwaited;
      // A comparison that saw the checkpoint before its save had ended found its name taken: one that is awaited is tried
      // all the same, or its promise would never be settled.
      if (entry.isAwaited) known.problem = null;
      return;
    }
    this.#entries.set(entry.name, entry);
    for (const pack of entry.packs) this.#want(pack);
  }

  remove(name: string): void {
    const entry = this.#entries.get(name);
    this.#entries.delete(name);
    for (const pack of entry?.packs ?? []) {
      const wanted = this.#missing.get(pack.name);
      if (wanted !== undefined && --wanted.count === 0) this.#drop(pack.name);
    }
  }

  isPresent(pack: string): boolean {
    return this.#present.has(pack);
  }

  markPresent(packs: Iterable<string>): void {
    for (const name of packs) {
      this.#present.add(name);
      this.#drop(name);
    }
  }

  /** Packs that are no longer in the store: what needs the same bytes must send them again (rule 6). */
  forget(packs: Iterable<string>): void {
    const gone = new Set([...packs].filter((name) => this.#present.delete(name)));
    for (const pack of this.entries().flatMap((entry) => entry.packs)) if (gone.has(pack.name)) this.#want(pack);
  }

  /** The store was listed: forgets what was acknowledged and is not there any more. */
  keepPresent(isThere: (pack: string) => boolean): void {
    this.forget([...this.#present].filter((name) => !isThere(name)));
  }

  /** What was to be mended when the tiers were compared before. */
  removeRepairs(): void {
    for (const { name, isRepair } of this.entries()) if (isRepair) this.remove(name);
  }

  /** Packs that a checkpoint yet to be sent names. */
  packs(): ReadonlySet<string> {
    return new Set(this.entries().flatMap((entry) => entry.packs.map(({ name }) => name)));
  }

  #want({ name, bytes }: PackToSend): void {
    if (this.#present.has(name)) return;
    const wanted = this.#missing.get(name);
    if (wanted !== undefined) wanted.count++;
    else {
      this.#missing.set(name, { bytes, count: 1 });
      this.#packBytes += bytes;
    }
  }

  #drop(name: string): void {
    this.#packBytes -= this.#missing.get(name)?.bytes ?? 0;
    this.#missing.delete(name);
  }
}
