import { EndGate } from "../../src/base/end-gate.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import { Backlog } from "../../src/checkpoint/saver/backlog.ts";
import { CoverageBook } from "../../src/checkpoint/saver/coverage-book.ts";
import { buildManifest } from "../../src/checkpoint/saver/manifest-builder.ts";
import { compareTiers } from "../../src/checkpoint/saver/missing-checkpoints.ts";
import { PackRecord } from "../../src/checkpoint/saver/pack-record.ts";
import { storePack } from "../../src/checkpoint/saver/pack-writer.ts";
import { Pruner } from "../../src/checkpoint/saver/pruner.ts";
import { Replicator } from "../../src/checkpoint/saver/replicator.ts";
import { RestoreSource } from "../../src/checkpoint/saver/restore-source.ts";
import { RestoredRun } from "../../src/checkpoint/saver/restored-run.ts";
import { setPin } from "../../src/checkpoint/saver/run-list.ts";
import { RunWriter } from "../../src/checkpoint/saver/run-writer.ts";
import { TensorShelf } from "../../src/checkpoint/saver/tensor-shelf.ts";
import { Tiers } from "../../src/checkpoint/saver/tiers.ts";
import { isVarveError } from "../../src/errors.ts";
import { parsePackName } from "../../src/manifest/names.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import { withRetries } from "../../src/transfer/retrying-store.ts";
import { TransferQueue } from "../../src/transfer/transfer-queue.ts";
import { BUFFERS, type BufferName, jobOf, ModelBuffer } from "./model-buffer.ts";
import { type ReadCheckpoint, readNewest } from "./read-newest.ts";
import type { World } from "./world.ts";

/** Where a test plants its bugs: in what a process is given, never in what it is. */
export interface Planted {
  /** Another store than the one that the process is given. */
  readonly store?: ((store: Store) => Store) | undefined;
  readonly gracePeriodMs?: number | undefined;
  /** Which of the packs in use a prune is told of: all by default. */
  readonly protects?: "none" | "those of its own epoch" | undefined;
  /** A pruner that works in the name of an epoch that it has not claimed. */
  readonly claimsToPrune?: boolean | undefined;
  /** A pin that is written without a word to the pruner of the same process. */
  readonly holdsPins?: boolean | undefined;
  /** What was restored counts as stored, without a look at what others pruned since. */
  readonly confirmsRestored?: boolean | undefined;
}

export interface ProcessOptions {
  readonly name: string;
  readonly world: World;
  /** The process's connection, without retries. */
  readonly store: Store;
  readonly isTiered: boolean;
  readonly keepLast: number;
  readonly planted: Planted;
}

export const GRACE_MS = 3_600_000;
const noSleep = async (): Promise<void> => undefined;
const retryContext = { clock: { now: () => 0, monotonicMs: () => 0 }, sleep: noSleep, random: { uniform: () => 0 } };
const POLICY = { attempts: 6, baseDelayMs: 0, maxDelayMs: 0, budgetMs: 1e9 };
const signal = new AbortController().signal;
/** What a manifest says besides rows. */
const NO_STATE = { tensors: [], statePieces: [], state: null, priorityPages: new Map() };

/**
 * A process of the run: the real claim, restore, coverage, manifest, commit, sending, pins and prune, with two buffers
 * of a few rows and no threads.
 */
export class Process {
  readonly name: string;
  readonly writer: RunWriter;
  readonly #options: ProcessOptions;
  readonly #remote: Store;
  readonly #tiers: Tiers;
  readonly #pruner: Pruner;
  readonly #source: RestoreSource;
  readonly #restored: RestoredRun;
  readonly #replicator: Replicator | null = null;
  /** What the run's store is known to have. */
  readonly #backlog = new Backlog();
  /** When the tiers were compared; null where that says nothing of what was restored since. */
  #epochSeen: number | null = null;
  readonly #coverage = new CoverageBook();
  #buffers: ReadonlyMap<BufferName, ModelBuffer>;
  #sequence = 0;

  constructor(options: ProcessOptions) {
    this.#options = options;
    const { name, world, planted, isTiered } = options;
    this.name = name;
    const bare = planted.store?.(options.store) ?? options.store;
    this.#remote = withRetries(bare, { ...retryContext, policy: POLICY });
    this.#tiers = isTiered
      ? new Tiers(createMemoryStore({ url: "memory://local" }), this.#remote)
      : new Tiers(this.#remote, null);
    this.writer = new RunWriter({
      ...{ tiers: this.#tiers, looking: this.#tiers, clock: world.clock, newId: () => world.newId() },
      ...{ readOnly: false, resumed: null, onChange: () => undefined },
    });
    this.#pruner = this.#createPruner();
    const hold = (chosen: string): void => this.#pruner.held.choose(chosen, this.#sequence);
    this.#source = new RestoreSource(this.#tiers, () => this.writer.run, new EndGate(), hold);
    this.#restored = new RestoredRun({
      ...{ source: this.#source, writer: this.writer, tiers: this.#tiers, parent: null },
      saver: { coverage: this.#coverage, shelf: new TensorShelf() },
      ...{ startSending: () => undefined, warn: () => undefined },
    });
    this.#buffers = new Map(BUFFERS.map((buffer) => [buffer, new ModelBuffer(buffer, world.newId())]));
    if (isTiered) this.#replicator = this.#createReplicator(bare);
  }

  /** As who opens the run and restores nothing. */
  async look(): Promise<void> {
    const { lastSequence } = await this.writer.look(signal);
    this.#sequence = lastSequence;
    await this.#compare();
  }

  /** Reads the newest checkpoint, or that of a step. Null where there is none. */
  async restore(step: number | null = null): Promise<ReadCheckpoint | null> {
    const { world } = this.#options;
    const newest = step === null ? world.newestAcknowledged() : null;
    const read = await readNewest(this.#source, this.#tiers, this.writer, step, signal);
    world.noteRestore(this.name, newest, read);
    return read;
  }

  /** Looks at the run and goes on from its newest checkpoint, or from that of a step. */
  async resume(step: number | null = null): Promise<void> {
    await this.look();
    const read = await this.restore(step);
    if (read === null) return;
    const { name, sequence } = read.manifest;
    this.#sequence = Math.max(this.#sequence, sequence);
    const restored = [...read.rows].map(([buffer, rows]): [BufferName, ModelBuffer] => {
      return [buffer as BufferName, new ModelBuffer(buffer as BufferName, this.#options.world.newId(), rows)];
    });
    this.#buffers = new Map([...this.#buffers, ...restored]);
    for (const [buffer, { incarnation }] of restored) this.#restored.adopt(buffer, incarnation, name);
    this.#restored.restored(name);
    // As `SecondTier.noteRestored` has it.
    if (read.manifest.packs.some((pack) => !this.#backlog.isPresent(pack.name))) this.#epochSeen = null;
  }

  /**
   * Makes a checkpoint of some buffers, each of which has a new row; then retention. While that runs, a row that only
   * the next checkpoint will name is on its way already, as full blocks are.
   *
   * @param pin - the step that is pinned while retention runs; null: none
   */
  async save(names: readonly BufferName[], pin: number | "own" | null = null): Promise<void> {
    const { world, planted } = this.#options;
    const epoch = await this.writer.claim();
    world.noteClaim(epoch, this.name);
    if (planted.confirmsRestored !== false) await this.#restored.prepare();
    const buffers = names.map((name) => this.#buffers.get(name) as ModelBuffer);
    for (const buffer of buffers) buffer.add(world.newValue());
    await Promise.all(buffers.map((buffer) => this.#ship(buffer, epoch)));
    const sequence = ++this.#sequence;
    const { content } = buildManifest(jobOf(buffers, sequence), NO_STATE, this.#coverage);
    const manifest = await this.writer.prepare(content);
    world.noteContent(manifest.writeId, buffers);
    const { name } = await this.writer.commit(manifest);
    await this.#send(name, epoch);
    world.noteCommit({ name, epoch, sequence, parent: manifest.parent?.name ?? null, by: this.name });
    for (const { name: buffer, incarnation, bounds } of buffers) {
      this.#coverage.of(buffer, incarnation, ModelBuffer.log).dropBelow(bounds.tail);
    }
    const [first] = buffers as [ModelBuffer, ...ModelBuffer[]];
    first.add(world.newValue());
    await Promise.all([
      world.duringPrune(this.name, () => this.#pruner.afterCommit(sequence, () => undefined)),
      this.#ship(first, epoch),
      pin === null ? undefined : this.pin(pin === "own" ? sequence : pin),
    ]);
  }

  async prune(): Promise<void> {
    const call = { method: "prune", dryRun: false, takeOver: true, quarantine: false } as const;
    await this.#options.world.duringPrune(this.name, () => this.#pruner.prune(call));
  }

  /** As `RunSession` pins: it tells the pruners of the same process before the pin is written. */
  async pin(step: number): Promise<void> {
    const { world, planted } = this.#options;
    const { held } = this.#pruner;
    const pin = world.beginPin(this.name);
    let [name, isWritten] = ["", false];
    try {
      await setPin(this.#tiers, this.writer.run, { step, pinned: true }, async (found) => {
        name = found;
        if (planted.holdsPins !== false) await held.beginPin(found);
      });
      isWritten = true;
      pin.acknowledge(name);
    } catch (error) {
      // It may have been pruned: then the pin is refused.
      if (!isVarveError(error, "VARVE_CHECKPOINT_NOT_FOUND")) throw error;
    } finally {
      held.endPin(name, isWritten);
      pin.end();
    }
  }

  /** Puts the rows that no pack holds into one. */
  async #ship(buffer: ModelBuffer, epoch: number): Promise<void> {
    const covered = this.#coverage.of(buffer.name, buffer.incarnation, ModelBuffer.log);
    const { tail, head } = buffer.bounds;
    const missing = covered.missing({ from: tail, to: head });
    if (missing.length === 0) return;
    const { name, bytes } = buffer.packOf(missing, epoch);
    const record = new PackRecord();
    record.close(name, bytes.length);
    for (const { from, to } of missing) covered.assign(from, to, record);
    try {
      const outcome = await storePack(this.#tiers.first, name, bytes, { signal });
      if (outcome === "differs") throw new Error(`${name} holds other bytes`);
      record.acknowledge();
    } catch (error) {
      record.giveUp(error);
      this.#coverage.dropPack(record);
      throw error;
    }
  }

  /** What the store has of it need not be in the local tier. */
  async #compare(): Promise<void> {
    const { first, second } = this.#tiers;
    if (second === null) return;
    const retention = { keepLast: null, keepEvery: null, keepBest: null, gracePeriodMs: GRACE_MS };
    const compared = await compareTiers(first, second, retention, { run: this.writer.run, signal });
    this.#epochSeen = compared.newestEpoch;
    this.#backlog.keepPresent(compared.isThere);
    this.#backlog.markPresent(compared.present);
  }

  async #send(name: string, epoch: number): Promise<void> {
    // Another writer came between the comparison and the own claim: it may have pruned what was seen.
    if (this.#epochSeen === null || epoch > this.#epochSeen + 1) await this.#compare();
    try {
      await this.#replicator?.send(name, epoch, signal);
    } catch (error) {
      // As the saver does it: what the store says of a newer writer ends the saving here too.
      if ((error as { code?: string }).code === "VARVE_FENCED") this.writer.fence(error as never);
      throw error;
    }
  }

  #createPruner(): Pruner {
    const { world, planted, keepLast } = this.#options;
    return new Pruner({
      ...{ store: this.#remote, clock: world.clock },
      writer: planted.claimsToPrune === false ? withoutClaim(this.writer, () => world.newestEpoch()) : this.writer,
      retention: {
        ...{ keepLast, keepEvery: null, keepBest: null },
        gracePeriodMs: planted.gracePeriodMs ?? GRACE_MS,
      },
      packsInUse: () => this.#packsInUse(),
      notSent: () => new Set(),
      onDeleted: () => undefined,
    });
  }

  #packsInUse(): ReadonlySet<string> {
    const { protects } = this.#options.planted;
    if (protects === "none") return new Set();
    const names = this.#coverage.packs().map(({ name }) => name);
    return new Set(protects === undefined ? names : names.filter(this.#isOfOwnEpoch));
  }

  readonly #isOfOwnEpoch = (name: string): boolean => parsePackName(name)?.epoch === this.writer.epoch;

  #createReplicator(bareSecond: Store): Replicator {
    const queue = new TransferQueue({ concurrency: 2, ...retryContext, retry: POLICY });
    const { first, second } = this.#tiers;
    if (second === null) throw new Error("no second tier");
    const backlog = this.#backlog;
    return new Replicator({ first, second, bareSecond, queue, backlog, onProgress: () => undefined });
  }
}

function withoutClaim(writer: RunWriter, newestEpoch: () => number): RunWriter {
  return new Proxy(writer, {
    get(target, key) {
      if (key === "claim") return async () => newestEpoch();
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

export function isIntact(name: string, bytes: Uint8Array | undefined): boolean {
  return bytes !== undefined && name.includes(sha256Hex(bytes));
}
