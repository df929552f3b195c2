import { forEachConcurrently } from "../base/concurrency.ts";
import { CorruptError, isVarveError, RunMismatchError, type VarveError } from "../errors.ts";
import type { ListOptions, ObjectInfo, RequestOptions, Store } from "../store/store.ts";
import type { CheckpointHeader } from "./lineage.ts";
import { CHECKPOINTS_PREFIX, compareCheckpoints, type ParsedCheckpointName, parseCheckpointName } from "./names.ts";
import { type ParsedManifest, parseManifest } from "./serialize.ts";

export interface StoredManifest extends ParsedManifest {
  readonly name: string;
  readonly sizeBytes: number;
}

export type ListedCheckpoint = ParsedCheckpointName & ObjectInfo;

export interface BrokenCheckpoint extends ParsedCheckpointName {
  /** CorruptError, FormatVersionError, or StoreError where it could not be read: in no case is it absent. */
  readonly error: VarveError;
}

/** The checkpoints of a run. Both lists go from oldest to newest. */
export interface RunHistory {
  readonly whole: readonly CheckpointHeader[];
  readonly broken: readonly BrokenCheckpoint[];
}

export interface ReadManifestOptions extends RequestOptions {
  /** The run that the manifest must belong to. */
  readonly run?: string | undefined;
}

/** Manifests read at once: enough to hide a store's latency, few enough that large states do not add up. */
const CONCURRENCY = 8;

/** The checkpoints of a run by name, whole or not, from oldest to newest. One listing. */
export async function listCheckpoints(store: Store, options: ListOptions = {}): Promise<ListedCheckpoint[]> {
  const listed: ListedCheckpoint[] = [];
  for await (const info of store.list(CHECKPOINTS_PREFIX, options)) {
    const parsed = parseCheckpointName(info.name);
    if (parsed !== undefined) listed.push({ ...info, ...parsed });
  }
  return listed.sort(compareCheckpoints);
}

/**
 * Reads one checkpoint's manifest; null if it does not exist.
 *
 * @throws CorruptError, also when it is the manifest of another checkpoint
 * @throws FormatVersionError, RunMismatchError, StoreError
 */
export async function readManifest(
  store: Store,
  name: string,
  options: ReadManifestOptions = {},
): Promise<StoredManifest | null> {
  const bytes = await store.get(name, { signal: options.signal });
  if (bytes === null) return null;
  const { manifest, hash } = parseManifest(bytes, name);
  const position = parseCheckpointName(name);
  if (manifest.epoch !== position?.epoch || manifest.sequence !== position.sequence) {
    throw new CorruptError(name, `it is the manifest of epoch ${manifest.epoch}, sequence ${manifest.sequence}`);
  }
  if (options.run !== undefined && manifest.run !== options.run) {
    throw otherRun(name, manifest.run, options.run);
  }
  return { name, manifest, hash, sizeBytes: bytes.length };
}

/**
 * Reads the manifests of all checkpoints. One that cannot be read is listed as broken, never left out.
 *
 * Where one was deleted since it was listed, another process prunes: it keeps newer ones, which are listed again. Without
 * that a run whose retention keeps one checkpoint could look empty, and training would begin anew.
 *
 * Cost: one listing, one get per checkpoint.
 */
export async function readHistory(store: Store, options: ReadManifestOptions = {}): Promise<RunHistory> {
  const whole = new Map<string, CheckpointHeader>();
  const broken = new Map<string, BrokenCheckpoint>();
  const gone = new Set<string>();
  for (let goneBefore = -1; goneBefore < gone.size; ) {
    goneBefore = gone.size;
    const listed = await listCheckpoints(store, { signal: options.signal });
    const names = new Set(listed.map(({ name }) => name));
    for (const known of [whole, broken]) for (const name of known.keys()) if (!names.has(name)) known.delete(name);
    const unread = listed.filter(({ name }) => !whole.has(name) && !broken.has(name));
    await forEachConcurrently(unread, CONCURRENCY, async ({ name, epoch, sequence }) => {
      try {
        const stored = await readManifest(store, name, options);
        if (stored === null) gone.add(name);
        else whole.set(name, headerOf(stored));
      } catch (error) {
        if (!isBroken(error)) throw error;
        broken.set(name, { name, epoch, sequence, error });
      }
    });
  }
  return { whole: [...whole.values()].sort(compareCheckpoints), broken: [...broken.values()].sort(compareCheckpoints) };
}

export function headerOf({ name, hash, sizeBytes, manifest }: StoredManifest): CheckpointHeader {
  const { state: _state, tensors: _tensors, ...rest } = manifest;
  return { ...rest, name, hash, sizeBytes };
}

/** A whole manifest that lies among those of another run. */
export function otherRun(name: string, run: string, expected: string): RunMismatchError {
  return new RunMismatchError(`"${name}" belongs to run ${run}, expected ${expected}`, {
    hint: "Two runs lie in one place. Move the checkpoints of one of them, with their packs, to a place of their own.",
  });
}

/** Aborting is the caller's own wish, not a fact about the checkpoint. */
function isBroken(error: unknown): error is VarveError {
  return isVarveError(error) && !("kind" in error && error.kind === "aborted");
}
