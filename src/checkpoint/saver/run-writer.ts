import type { Clock } from "../../base/clock.ts";
import type { IdSource } from "../../base/ids.ts";
import { CorruptError, FencedError, isVarveError, ReadOnlyError, RunMismatchError, StoreError } from "../../errors.ts";
import { commitManifest } from "../../manifest/commit.ts";
import { FORMAT_VERSION, type Manifest, type ManifestRef } from "../../manifest/manifest.ts";
import {
  CHECKPOINTS_PREFIX,
  type CheckpointPosition,
  compareCheckpoints,
  nextSequence,
  parseCheckpointName,
  RUN_FILE_NAME,
  WRITERS_PREFIX,
  writerName,
} from "../../manifest/names.ts";
import { ensureRunFile, readRunFile } from "../../manifest/run-file.ts";
import { assertRunOfManifests } from "../../manifest/run-identity.ts";
import { claimEpoch } from "../../manifest/writers.ts";
import type { Store } from "../../store/store.ts";
import type { WriterIdentity } from "../messages.ts";
import type { ManifestContent } from "./manifest-builder.ts";
import { type FoundRunFile, putBackRunFiles, readRunFiles } from "./run-files.ts";
import type { Tiers } from "./tiers.ts";

export interface RunWriterOptions {
  readonly tiers: Tiers;
  /** The same stores, for looking at the run while somebody waits. */
  readonly looking: Tiers;
  readonly clock: Clock;
  readonly newId: IdSource;
  readonly readOnly: boolean;
  /** Of the saver that this one replaces: it goes on as the same writer. */
  readonly resumed: WriterIdentity | null;
  /** Told of every change, so that another saver can go on after a crash. */
  readonly onChange: (identity: WriterIdentity) => void;
}

/** The object whose presence says that a writer ended in an orderly way. */
export function closedMarker(epoch: number): string {
  return writerName(epoch).replace(/\.json$/, ".closed");
}

interface Claim {
  readonly run: string;
  readonly epoch: number;
}

/**
 * This process as a writer of the run: its epoch, and the checkpoint that the next one descends from.
 *
 * The epoch is claimed at the first save or prune, so that looking at a run never fences its trainer (rule 8).
 */
export class RunWriter {
  readonly #options: RunWriterOptions;
  #claim: Promise<Claim> | null = null;
  #run: string | null = null;
  #parent: ManifestRef | null = null;
  /** The newest checkpoint that there was when this process last looked. */
  #newestSeen: CheckpointPosition = { epoch: 0, sequence: 0 };
  /** The same, whether or not this process goes on from there. */
  #newestLookedAt: CheckpointPosition = { epoch: 0, sequence: 0 };
  #lastSequence = 0;
  #found: readonly FoundRunFile[] = [];
  /** Names of checkpoints in the only tier, until they are compared with its run file. */
  #toCompare: readonly string[] = [];
  #epoch: number | null = null;
  #fenced: FencedError | null = null;

  constructor(options: RunWriterOptions) {
    this.#options = options;
    const { resumed } = options;
    if (resumed === null) return;
    this.#run = resumed.run;
    this.#epoch = resumed.epoch;
    this.#parent = resumed.parent;
    this.#newestSeen = resumed.newestSeen;
    this.#lastSequence = resumed.lastSequence;
  }

  /**
   * Looks at the run without claiming anything.
   *
   * @param evenIfDamaged - then a run file that cannot be read, or is another run's, is left to whoever reads next
   * @returns the highest sequence ever used, 0 in a new run
   */
  async look(
    signal?: AbortSignal,
    evenIfDamaged = false,
  ): Promise<{ readonly lastSequence: number; readonly checkpointCount: number }> {
    const checkpointCount = await this.#look(signal, evenIfDamaged);
    this.#newestSeen = this.#newestLookedAt;
    this.#tell();
    return { lastSequence: this.#lastSequence, checkpointCount };
  }

  /** What is found counts as seen once it is restored: where that fails, a writer that went on meanwhile is noticed. */
  async lookBeforeRestore(signal?: AbortSignal): Promise<void> {
    await this.#look(signal, false);
    this.#tell();
  }

  async #look(signal: AbortSignal | undefined, evenIfDamaged: boolean): Promise<number> {
    const run = await this.identify(signal).catch((error: unknown) => {
      if (evenIfDamaged && isVarveError(error, "VARVE_CORRUPT", "VARVE_RUN_MISMATCH")) return undefined;
      throw error;
    });
    const names = await checkpointNames(this.#options.looking, signal);
    if (run === null && names.length > 0 && !this.#options.readOnly) {
      // Found out at the first save, it would be too late: a generation would have been trained for nothing.
      throw new CorruptError(RUN_FILE_NAME, `it is missing, though there is ${names[0]}`);
    }
    this.#toCompare = evenIfDamaged ? [] : names;
    this.#newestLookedAt = newestOf(names);
    this.#lastSequence = Math.max(this.#lastSequence, nextSequence(names) - 1);
    return names.length;
  }

  /**
   * Learns which run this is from its run files; null where there is none.
   *
   * @throws RunMismatchError when the two tiers hold different runs
   */
  async identify(signal?: AbortSignal): Promise<string | null> {
    const { looking } = this.#options;
    this.#found = await readRunFiles(looking, signal);
    const [own = null, other = null] = this.#found.map((each) => each.run);
    if (own !== null && other !== null && own !== other) {
      // Where one of the two files has changed, the checkpoints beside it tell which.
      for (const { store, run } of this.#found) {
        await assertRunOfManifests(store, run as string, await namesIn(store, signal), { signal });
      }
      throw mismatch(looking.first, own, other);
    }
    const run = own ?? other;
    // What a save was prepared for is not changed under it.
    if (this.#claim === null && run !== null) this.#run = run;
    return run;
  }

  /** After `identify`: what one tier lacks of that, the other one gives. */
  async putBackRunFiles(warn: (message: string) => void, signal?: AbortSignal): Promise<void> {
    const { clock, newId } = this.#options;
    const found = this.#found;
    this.#found = [];
    await putBackRunFiles(found, { clock, newId, warn, signal });
  }

  /**
   * Before anything is written to a run of one tier, after `look`; two tiers are compared manifest by manifest.
   *
   * @throws RunMismatchError when it has checkpoints, and none of the run
   */
  async assertOwnCheckpoints(signal?: AbortSignal): Promise<void> {
    const { run } = this;
    const names = this.#toCompare;
    this.#toCompare = [];
    if (run !== undefined) await assertRunOfManifests(this.#options.looking.first, run, names, { signal });
  }

  /** Undefined before the run was looked at, and in a new run. */
  get run(): string | undefined {
    return this.#run ?? undefined;
  }

  /** The next checkpoint descends from this one. */
  descendFrom(parent: ManifestRef): void {
    this.#parent = parent;
    if (compareCheckpoints(this.#newestLookedAt, this.#newestSeen) > 0) this.#newestSeen = this.#newestLookedAt;
    this.#tell();
  }

  /** Another writer took the run over, as the store told when a checkpoint was sent to it. */
  fence(error: FencedError): void {
    this.#fenced = error;
  }

  get parent(): ManifestRef | null {
    return this.#parent;
  }

  get hasClaimed(): boolean {
    return this.#epoch !== null;
  }

  /** Null before the first save or prune. */
  get epoch(): number | null {
    return this.#epoch;
  }

  /** Ends when a claim that is under way has succeeded or failed: until then its epoch is in the store and not known here. */
  async claimUnderWay(): Promise<void> {
    await Promise.allSettled([this.#claim]);
  }

  /** Marks the end of this writer, so that a later prune knows that nobody is training. */
  async sayGoodbye(stores: readonly Store[]): Promise<void> {
    const epoch = this.#epoch;
    if (epoch === null || this.#fenced !== null) return;
    for (const store of stores) {
      await store.put(closedMarker(epoch), new TextEncoder().encode("{}\n"));
    }
  }

  /** The epoch of this writer, claimed at the first call. */
  async claim(): Promise<number> {
    return (await this.#claimed()).epoch;
  }

  async #claimed(): Promise<Claim> {
    if (this.#options.readOnly) throw new ReadOnlyError("write", this.#options.tiers.first.url);
    if (this.#fenced !== null) throw this.#fenced;
    const claim = (this.#claim ??= this.#claimNow());
    try {
      return await claim;
    } catch (error) {
      // A failure is not remembered: the next save tries again.
      this.#claim = null;
      throw error;
    }
  }

  /** Completes a manifest: the same one may be committed again after a failure, to complete what was begun. */
  async prepare(content: ManifestContent): Promise<Manifest> {
    const { run, epoch } = await this.#claimed();
    const { clock, newId } = this.#options;
    return {
      magic: "varve-manifest",
      version: FORMAT_VERSION,
      requires: [],
      run,
      epoch,
      parent: this.#parent,
      writeId: newId(),
      createdAt: new Date(clock.now()).toISOString(),
      ...content,
    };
  }

  /** Creates the manifest. Every pack that it names must be acknowledged (rule 6). */
  async commit(manifest: Manifest): Promise<{ readonly name: string; readonly bytes: number }> {
    const { first, second } = this.#options.tiers;
    // A slow or absent store must not hold a local commit up: it fences when the checkpoint is sent.
    const options = second === null ? {} : { fencedBy: null };
    const committed = await this.#remembersFencing(() => commitManifest(first, manifest, options));
    this.#parent = { name: committed.name, hash: committed.hash };
    this.#newestSeen = { epoch: manifest.epoch, sequence: manifest.sequence };
    this.#lastSequence = Math.max(this.#lastSequence, manifest.sequence);
    this.#tell();
    return { name: committed.name, bytes: committed.bytes.byteLength };
  }

  #tell(): void {
    this.#options.onChange({
      run: this.#run,
      epoch: this.#epoch,
      parent: this.#parent,
      newestSeen: this.#newestSeen,
      lastSequence: this.#lastSequence,
    });
  }

  async #remembersFencing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof FencedError) this.#fenced = error;
      throw error;
    }
  }

  async #claimNow(): Promise<Claim> {
    const { tiers, clock, newId } = this.#options;
    const { first, second, authority } = tiers;
    if (this.#epoch !== null) {
      // In the place of a saver that crashed: a store that is away must not hold local saves up.
      const own = await readRunFile(first);
      if (own !== null) return { run: this.#sameRun(first, own.run), epoch: this.#epoch };
    }
    const known = second === null ? undefined : await this.#askStore(() => this.#runIn(authority));
    if (known !== undefined) this.#sameRun(authority, known);
    const { run } = await ensureRunFile(first, { clock, newId, run: known ?? this.run });
    this.#run = run;
    if (second !== null) await this.#askStore(() => ensureRunFile(second, { clock, newId, run }));
    if (this.#epoch !== null) return { run, epoch: this.#epoch };
    // Also before the claim, which would fence the writer that went on.
    await this.#remembersFencing(() => this.#assertNothingNewer(0));
    const epoch = await this.#askStore(() => claimEpoch(authority, { run, clock, newId }));
    if (second !== null) await this.#mirrorWriter(second, epoch);
    await this.#remembersFencing(() => this.#assertNothingNewer(epoch));
    this.#epoch = epoch;
    this.#tell();
    return { run, epoch };
  }

  /** A file that was damaged since the run was opened is put back, and says nothing. */
  async #runIn(store: Store): Promise<string | undefined> {
    try {
      return (await readRunFile(store))?.run;
    } catch (error) {
      if (this.#run === null || !isVarveError(error, "VARVE_CORRUPT")) throw error;
      return undefined;
    }
  }

  /** What was looked at when the run was opened must not have become another run since. */
  #sameRun({ url }: Store, run: string): string {
    if (this.#run === null || run === this.#run) return run;
    throw new RunMismatchError(
      `"${RUN_FILE_NAME}" in ${url} says run ${run}, it was run ${this.#run} when it was opened`,
      {
        hint: `Nothing was written. Put ${RUN_FILE_NAME} back: "run":"${this.#run}" if the checkpoints are the same as before.`,
      },
    );
  }

  /** The local tier mirrors the number that the store gave. */
  async #mirrorWriter(from: Store, epoch: number): Promise<void> {
    const bytes = await this.#askStore(() => from.get(writerName(epoch)));
    if (bytes !== null) await this.#options.tiers.first.put(writerName(epoch), bytes);
  }

  /** With a local tier before the store it is not plain why a save needs the store: its error says so. */
  async #askStore<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { second } = this.#options.tiers;
      throw second !== null && error instanceof StoreError ? noEpoch(second, error) : error;
    }
  }

  /** A checkpoint that appeared since this process looked means that another writer went on meanwhile. */
  async #assertNothingNewer(epoch: number): Promise<void> {
    const seen = this.#newestSeen;
    const { first, second } = this.#options.tiers;
    const names = await Promise.all([
      namesIn(first),
      ...(second === null ? [] : [this.#askStore(() => namesIn(second))]),
    ]);
    const newest = newestOf(names.flat());
    if (compareCheckpoints(newest, seen) > 0) {
      throw new FencedError(epoch, newest.epoch, `it made checkpoint ${newest.sequence} after this one had restored`);
    }
  }
}

async function checkpointNames(tiers: Tiers, signal?: AbortSignal): Promise<string[]> {
  return (await Promise.all(tiers.all.map((store) => namesIn(store, signal)))).flat();
}

async function namesIn(store: Store, signal?: AbortSignal): Promise<string[]> {
  return (await Array.fromAsync(store.list(CHECKPOINTS_PREFIX, { signal }))).map(({ name }) => name);
}

function noEpoch({ url }: Store, error: StoreError): StoreError {
  const { kind, retryable, retryAfterMs } = error;
  const detail =
    `the run's store ${url} gives the epoch that this process needs for its first save, and it could not be reached. ` +
    `The save was not made, on local disk neither: ${error.message}`;
  return new StoreError(kind, "claim", WRITERS_PREFIX, detail, {
    ...{ retryable, retryAfterMs, cause: error },
    hint: "Training goes on, and the next save tries again. Once one save is made, local saves no longer need the store.",
  });
}

function mismatch(first: Store, own: string, other: string): RunMismatchError {
  return new RunMismatchError(`${first.url} holds run ${own}, the store it is used with holds run ${other}`, {
    hint: "A store and a local folder that are used together must belong to the same run.",
  });
}

function newestOf(names: readonly string[]): CheckpointPosition {
  return names.reduce<CheckpointPosition>(
    (newest, name) => {
      const position = parseCheckpointName(name);
      return position !== undefined && compareCheckpoints(position, newest) > 0 ? position : newest;
    },
    { epoch: 0, sequence: 0 },
  );
}
