import { sha256Hex } from "../../src/base/hash.ts";
import { Backlog } from "../../src/checkpoint/saver/backlog.ts";
import { storePack } from "../../src/checkpoint/saver/pack-writer.ts";
import { Pruner } from "../../src/checkpoint/saver/pruner.ts";
import { Replicator } from "../../src/checkpoint/saver/replicator.ts";
import { RunWriter } from "../../src/checkpoint/saver/run-writer.ts";
import { Tiers } from "../../src/checkpoint/saver/tiers.ts";
import { buildPack } from "../../src/codec/pack.ts";
import { encodeSection } from "../../src/codec/section.ts";
import { byPreference } from "../../src/manifest/lineage.ts";
import type { PackRef } from "../../src/manifest/manifest.ts";
import { nextSequence } from "../../src/manifest/names.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import { withRetries } from "../../src/transfer/retrying-store.ts";
import { TransferQueue } from "../../src/transfer/transfer-queue.ts";
import { bytesOf, sourceOf } from "../codec/sections.ts";
import type { World } from "./world.ts";

/** Where a test plants its bugs: in what a process is given, never in what it is. */
export interface Planted {
  /** Another store than the one that the process is given. */
  readonly store?: ((store: Store) => Store) | undefined;
  readonly gracePeriodMs?: number | undefined;
  readonly protectsOwnPacks?: boolean | undefined;
  /** A pruner that works in the name of an epoch that it has not claimed. */
  readonly claimsToPrune?: boolean | undefined;
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

/** A process that writes the run: the real claim, commit, sending and prune, with small packs instead of a buffer. */
export class Process {
  readonly name: string;
  readonly writer: RunWriter;
  readonly #options: ProcessOptions;
  readonly #remote: Store;
  readonly #tiers: Tiers;
  readonly #pruner: Pruner;
  readonly #replicator: Replicator | null = null;
  /** What the newest checkpoint names, and what the next one will. */
  #packs: readonly PackRef[] = [];
  readonly #inUse: Set<string> = new Set();
  #sequence = 0;
  #made = 0;

  constructor(options: ProcessOptions) {
    this.#options = options;
    const { name, world, planted, keepLast, isTiered } = options;
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
    const gracePeriodMs = planted.gracePeriodMs ?? GRACE_MS;
    this.#pruner = new Pruner({
      ...{ store: this.#remote, clock: world.clock },
      writer: planted.claimsToPrune === false ? withoutClaim(this.writer, () => world.newestEpoch()) : this.writer,
      retention: { keepLast, keepEvery: null, keepBest: null, gracePeriodMs },
      packsInUse: () => (planted.protectsOwnPacks === false ? new Set() : this.#inUse),
      notSent: () => new Set(),
      onDeleted: () => undefined,
    });
    if (isTiered) this.#replicator = this.#createReplicator(bare);
  }

  /** As who opens the run and restores nothing. */
  async look(): Promise<void> {
    const { lastSequence } = await this.writer.look(signal);
    this.#sequence = lastSequence;
  }

  /** Looks at the run and goes on from its newest checkpoint, as a restore does. */
  async resume(): Promise<void> {
    await this.look();
    const { whole } = await this.#tiers.history({ run: this.writer.run, signal });
    this.#sequence = Math.max(this.#sequence, nextSequence(whole.map(({ name }) => name)) - 1);
    const [newest] = byPreference(whole);
    if (newest === undefined) return;
    this.writer.descendFrom({ name: newest.name, hash: newest.hash });
    this.#packs = newest.packs;
    for (const { name } of newest.packs) this.#inUse.add(name);
    this.#pruner.held.choose(newest.name, this.#sequence);
  }

  /**
   * Makes a checkpoint of one new pack and the newest one of its parent; then retention. While that runs, the pack of
   * the next checkpoint is on its way already, as full blocks are.
   */
  async save(): Promise<void> {
    const { world } = this.#options;
    const epoch = await this.writer.claim();
    world.noteClaim(epoch, this.name);
    const own = await this.#putPack(epoch);
    const sequence = ++this.#sequence;
    const packs = [...this.#packs.slice(-1), own];
    const manifest = await this.writer.prepare({
      ...{ step: sequence, sequence, metrics: {}, buffers: {}, tensors: [], state: null, logicalBytes: 0 },
      packs: packs.map((pack) => ({ ...pack, covers: [] })),
    });
    const { name } = await this.writer.commit(manifest);
    this.#packs = packs;
    await this.#send(name, epoch);
    world.noteCommit({ name, epoch, sequence, parent: manifest.parent?.name ?? null, packs, by: this.name });
    const early = this.#putPack(epoch, true);
    await Promise.all([this.#pruner.afterCommit(sequence, () => undefined), early]);
  }

  async prune(): Promise<void> {
    await this.#pruner.prune({ method: "prune", dryRun: false, takeOver: true, quarantine: false });
  }

  async #send(name: string, epoch: number): Promise<void> {
    try {
      await this.#replicator?.send(name, epoch, signal);
    } catch (error) {
      // As the saver does it: what the store says of a newer writer ends the saving here too.
      if ((error as { code?: string }).code === "VARVE_FENCED") this.writer.fence(error as never);
      throw error;
    }
  }

  #early: Promise<PackRef> | null = null;

  async #putPack(epoch: number, isEarly = false): Promise<PackRef> {
    if (!isEarly && this.#early !== null) {
      const early = this.#early;
      this.#early = null;
      return early;
    }
    const raw = bytesOf(Float32Array.of(this.#made++, this.#options.world.numberOf(this.name)));
    const section = encodeSection(sourceOf(raw, "float32", [], "none"));
    const { name, bytes } = buildPack([section], { epoch });
    this.#inUse.add(name);
    const stored = this.#store(name, bytes);
    if (isEarly) this.#early = stored;
    return stored;
  }

  async #store(name: string, bytes: Uint8Array): Promise<PackRef> {
    const outcome = await storePack(this.#tiers.first, name, bytes, { signal });
    if (outcome === "differs") throw new Error(`${name} holds other bytes`);
    return { name, bytes: bytes.length, covers: [] };
  }

  #createReplicator(bareSecond: Store): Replicator {
    const queue = new TransferQueue({ concurrency: 2, ...retryContext, retry: POLICY });
    const backlog = new Backlog();
    const { second } = this.#tiers;
    if (second === null) throw new Error("no second tier");
    const first = this.#withParents(this.#tiers.first);
    return new Replicator({ first, second, bareSecond, queue, backlog, onProgress: () => undefined });
  }

  /** A pack of an earlier process is not in this one's local tier: it comes from the run's store, where it stays. */
  #withParents(local: Store): Store {
    const get: Store["get"] = async (name, options) =>
      (await local.get(name, options)) ?? this.#options.world.shared.objects.get(name)?.bytes.slice() ?? null;
    return {
      ...{ url: local.url, traits: local.traits, get },
      put: (name, bytes, options) => local.put(name, bytes, options),
      head: (name, options) => local.head(name, options),
      list: (prefix, options) => local.list(prefix, options),
      delete: (name, options) => local.delete(name, options),
    };
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
