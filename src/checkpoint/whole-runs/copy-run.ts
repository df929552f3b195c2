import { forEachConcurrently } from "../../base/concurrency.ts";
import { CorruptError, InvalidArgumentError, isVarveError, RunMismatchError, StoreError } from "../../errors.ts";
import type { CheckpointHeader } from "../../manifest/lineage.ts";
import type { PackRef } from "../../manifest/manifest.ts";
import { parsePackName, parseWriterName, pinName, RUN_FILE_NAME, WRITERS_PREFIX } from "../../manifest/names.ts";
import { listCheckpoints, readHistory } from "../../manifest/read-history.ts";
import { readRunFile } from "../../manifest/run-file.ts";
import { historyOfRun } from "../../manifest/run-identity.ts";
import { parseManifest } from "../../manifest/serialize.ts";
import { throwIfAborted } from "../../store/request.ts";
import type { Store } from "../../store/store.ts";
import { loadPack } from "../saver/pack-reader.ts";
import { openWhole } from "./open-whole.ts";

export interface CopyRunOptions {
  /** A folder, a URL, or a store. */
  readonly from: string | Store;
  readonly to: string | Store;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of packs. */
  readonly onProgress?: ((progress: { readonly bytesDone: number; readonly bytesTotal: number }) => void) | undefined;
}

export interface CopyReport {
  readonly run: string;
  readonly from: string;
  readonly to: string;
  /** Checkpoints by name. */
  readonly copied: readonly string[];
  readonly alreadyThere: readonly string[];
  /** Not copied: the source has them damaged. */
  readonly damaged: readonly { readonly checkpoint: string; readonly why: string }[];
  /** Not copied: retention removed them from the source meanwhile. */
  readonly removed: readonly string[];
  /** What was written: packs, and bytes of packs. */
  readonly packs: number;
  readonly bytes: number;
}

/** Packs under way together, each in memory: about 8 MiB. */
const PACKS_AT_ONCE = 4;

/** Listings of a source whose retention removes what is being copied; from the second on, only new packs are read. */
const MAX_ROUNDS = 10;

/**
 * Copies a run with all its checkpoints, pins and writers. Each checkpoint's packs come before its manifest, parents
 * before children: what is there at any moment is whole. Every pack is checked against its hash, also one that lies
 * there already; ended before, the same call goes on. The source may be in use; nothing is written to it. Where its
 * retention removes all that a listing named, it is listed again, a few times.
 *
 * The copy is the same run: train on one of the two only. Once the target has gone on by itself it is refused.
 *
 * @throws CorruptError where the source has no run file; RunMismatchError where the target holds another run, or went on
 *   by itself; StoreError
 * Cost: reads every pack of the source that the target lacks, and every pack of the target that it has.
 */
export async function copyRun(options: CopyRunOptions): Promise<CopyReport> {
  const [from, to] = [await openWhole(options.from), await openWhole(options.to)];
  try {
    const isSamePlace = from.inner.location !== undefined && from.inner.url === to.inner.url;
    if (from.inner === to.inner || isSamePlace) {
      throw new InvalidArgumentError("to", "another place than the source", to.store.url);
    }
    return await new RunCopy(from.store, to.store, options).copy();
  } catch (error) {
    throw isVarveError(error, "VARVE_STORE") && (error as StoreError).kind === "no-space"
      ? targetFull(error as StoreError)
      : error;
  } finally {
    await from.inner.close?.();
    await to.inner.close?.();
  }
}

/** Its own hint is for who saves: to prune, and that the next save tries again. */
function targetFull(error: StoreError): StoreError {
  const { kind, operation, objectName, detail, retryable, retryAfterMs, neededBytes, freeBytes } = error;
  return new StoreError(kind, operation, objectName, detail, {
    ...{ retryable, retryAfterMs, neededBytes, freeBytes, cause: error },
    hint: "Free some space, or inodes (df -h, df -i), at the target: what was copied stays, and the same copy goes on.",
  });
}

class RunCopy {
  readonly #from: Store;
  readonly #to: Store;
  readonly #signal: AbortSignal | undefined;
  readonly #onProgress: CopyRunOptions["onProgress"];
  /** Packs that the target has, whole. */
  readonly #there = new Set<string>();
  /** Checkpoints by name: those that the target had, and what became of the others. */
  readonly #existing = new Set<string>();
  readonly #copied = new Set<string>();
  readonly #removed = new Set<string>();
  #damaged = new Map<string, string>();
  #packs = 0;
  #bytes = 0;
  #bytesDone = 0;
  #bytesTotal = 0;

  constructor(from: Store, to: Store, { signal, onProgress }: CopyRunOptions) {
    this.#from = from;
    this.#to = to;
    this.#signal = signal;
    this.#onProgress = onProgress;
  }

  async copy(): Promise<CopyReport> {
    const [from, to, signal] = [this.#from, this.#to, this.#signal];
    const source = await readRunFile(from, { signal });
    if (source === null) throw new CorruptError(RUN_FILE_NAME, `there is none in ${from.url}, and so no run`);
    const { run } = source;
    await this.#assertTarget(run);
    // Before the checkpoints: a sign of an end that is seen then says that its writer's are all among them.
    const ends = (await this.#listWriters(from)).filter((name) => name.endsWith(".closed"));
    await this.#compareWriters();
    for (let round = 1; round <= MAX_ROUNDS; round++) {
      if (await this.#copyListed(run, round === 1)) break;
    }
    // Last: what says that nobody is training any more also says that the copy is whole.
    for (const end of ends) await this.#copyObject(end);
    return {
      ...{ run, from: from.url, to: to.url, copied: [...this.#copied].sort() },
      alreadyThere: [...this.#existing].filter((name) => !this.#copied.has(name)),
      damaged: [...this.#damaged].map(([checkpoint, why]) => ({ checkpoint, why })),
      removed: [...this.#removed].filter((name) => !this.#copied.has(name) && !this.#existing.has(name)),
      ...{ packs: this.#packs, bytes: this.#bytes },
    };
  }

  /**
   * Copies what a listing names.
   *
   * @returns false where retention removed what was newest in it: there are newer ones then, to be listed again
   */
  async #copyListed(run: string, isFirst: boolean): Promise<boolean> {
    const [from, signal] = [this.#from, this.#signal];
    const { whole, broken } = historyOfRun(from, run, await readHistory(from, { signal }));
    // A writer claims its number before its first checkpoint: those of all checkpoints are there to be seen afterwards.
    const writers = (await this.#listWriters(from)).filter((name) => name.endsWith(".json"));
    for (const name of await this.#compareCheckpoints(whole)) this.#existing.add(name);
    const refs = new Map(whole.flatMap(({ packs }) => packs).map((ref) => [ref.name, ref.bytes]));
    const missing = [...refs].filter(([name]) => !this.#there.has(name));
    this.#bytesTotal = missing.reduce((sum, [, bytes]) => sum + bytes, this.#bytesDone);
    await this.#copyObject(RUN_FILE_NAME);
    for (const writer of writers) await this.#copyObject(writer);
    this.#damaged = new Map(broken.map(({ name, error }) => [name, error.message]));
    const gone = new Set<string>();
    const done = new Set<string>();
    // Once it is known that they are removed meanwhile, the one that stays the longest comes first.
    for (const header of isFirst ? whole : whole.toReversed()) {
      const outcome = await this.#copyCheckpoint(header);
      if (typeof outcome === "object") this.#damaged.set(header.name, outcome.message);
      else (outcome === "gone" ? gone : done).add(header.name);
      if (outcome === "copied" && !this.#existing.has(header.name)) this.#copied.add(header.name);
    }
    for (const name of gone) this.#removed.add(name);
    const newest = (names: ReadonlySet<string>): number => whole.findLastIndex(({ name }) => names.has(name));
    return newest(gone) <= newest(done);
  }

  async #assertTarget(run: string): Promise<void> {
    const [to, signal] = [this.#to, this.#signal];
    const target = await readRunFile(to, { signal });
    if (target === null) {
      const [found] = await listCheckpoints(to, { signal });
      if (found === undefined) return;
      throw new CorruptError(RUN_FILE_NAME, `${to.url} has none, though there is ${found.name}`);
    }
    if (target.run === run) return;
    throw new RunMismatchError(`${to.url} holds run ${target.run}, the copy would be of run ${run}`, {
      hint: "Copy to a place of its own, or delete the run that is there.",
    });
  }

  /** @returns names of a run's writers and of the signs of their end */
  async #listWriters(store: Store): Promise<string[]> {
    const listed = await Array.fromAsync(store.list(WRITERS_PREFIX, { signal: this.#signal }));
    return listed
      .map(({ name }) => name)
      .filter((name) => parseWriterName(name.replace(/\.closed$/, ".json")) !== undefined);
  }

  async #compareWriters(): Promise<void> {
    const [from, to, signal] = [this.#from, this.#to, this.#signal];
    for (const name of (await this.#listWriters(to)).filter((each) => each.endsWith(".json"))) {
      const [mine, theirs] = [await from.get(name, { signal }), await to.get(name, { signal })];
      if (mine !== null && theirs !== null && Buffer.compare(mine, theirs) === 0) continue;
      throw new RunMismatchError(`${to.url} went on by itself: "${name}" is of a writer that ${from.url} never had`, {
        hint: "Both are the same run on two ways. Copy to a place of its own.",
      });
    }
  }

  /** @returns names of the source's checkpoints that the target has */
  async #compareCheckpoints(whole: readonly CheckpointHeader[]): Promise<Set<string>> {
    const to = this.#to;
    const there = await readHistory(to, { signal: this.#signal });
    const hashes = new Map(whole.map(({ name, hash }) => [name, hash]));
    const damaged = there.broken.find(({ name }) => hashes.has(name));
    if (damaged !== undefined) {
      throw new RunMismatchError(`"${damaged.name}" in ${to.url} cannot be read: ${damaged.error.message}`, {
        hint: "A checkpoint is never written over. Move it aside with varve prune --quarantine, and copy again.",
        cause: damaged.error,
      });
    }
    const other = there.whole.find(({ name, hash }) => hashes.has(name) && hashes.get(name) !== hash);
    if (other === undefined) return new Set(there.whole.map(({ name }) => name).filter((name) => hashes.has(name)));
    throw new RunMismatchError(`"${other.name}" in ${to.url} is another checkpoint than that of the source`, {
      hint: "Both are the same run on two ways. Copy to a place of its own.",
    });
  }

  /** @returns the error where the source has it damaged; "gone" where retention removed it meanwhile */
  async #copyCheckpoint({ name, packs }: CheckpointHeader): Promise<"copied" | "gone" | CorruptError> {
    const [from, to, signal] = [this.#from, this.#to, this.#signal];
    try {
      // Held while its packs are copied: with all of them there it is whole, also where retention removes it meanwhile.
      const bytes = await from.get(name, { signal });
      if (bytes === null) return "gone";
      parseManifest(bytes, name);
      await forEachConcurrently(packs, PACKS_AT_ONCE, (ref) => this.#copyPack(ref));
      // Before the manifest: a checkpoint that is pinned is so from the start.
      if ((await from.head(pinName(name), { signal })) !== null) await this.#copyObject(pinName(name));
      await to.put(name, bytes, { ifAbsent: true, signal });
      return "copied";
    } catch (error) {
      if (!isVarveError(error, "VARVE_CORRUPT")) throw error;
      return (await from.head(name, { signal })) === null ? "gone" : (error as CorruptError);
    }
  }

  async #copyPack(ref: PackRef): Promise<void> {
    const [from, to, signal] = [this.#from, this.#to, this.#signal];
    if (this.#there.has(ref.name)) return;
    throwIfAborted(signal, "copy", ref.name);
    const found = await this.#wholeThere(ref);
    const { bytes } = found ?? (await loadPack(from, ref, signal));
    // Also where it is there: on local disk only this answers whether it would survive (rule 7).
    await to.put(ref.name, bytes, { ifAbsent: found !== null, sha256: parsePackName(ref.name)?.sha256, signal });
    this.#there.add(ref.name);
    if (found === null) {
      this.#packs += 1;
      this.#bytes += ref.bytes;
    }
    this.#bytesDone += ref.bytes;
    this.#onProgress?.({ bytesDone: this.#bytesDone, bytesTotal: this.#bytesTotal });
  }

  /** Null where the target lacks it, or has it damaged: its name is its hash, so that nothing is lost by writing it. */
  async #wholeThere(ref: PackRef): Promise<{ readonly bytes: Uint8Array } | null> {
    const [to, signal] = [this.#to, this.#signal];
    if ((await to.head(ref.name, { signal }))?.sizeBytes !== ref.bytes) return null;
    try {
      return await loadPack(to, ref, signal);
    } catch (error) {
      if (!isVarveError(error, "VARVE_CORRUPT")) throw error;
      return null;
    }
  }

  async #copyObject(name: string): Promise<void> {
    const bytes = await this.#from.get(name, { signal: this.#signal });
    if (bytes !== null) await this.#to.put(name, bytes, { ifAbsent: true, signal: this.#signal });
  }
}
