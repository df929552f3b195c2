import { sha256Hex } from "../base/hash.ts";
import {
  Checkpointer,
  type CheckpointInfo,
  isVarveError,
  openStore,
  type Store,
  type StoreLocation,
} from "../index.ts";
import type { CheckpointFacts } from "../record/run-record.ts";

const CHECKPOINT = /^checkpoints\/(\d{8})-(\d{12})\.json$/;

interface Listed {
  readonly name: string;
  readonly modifiedAtMs: number | null;
}

/** Lists the checkpoints of a run, those that cannot be read included. Reads only, and never fences its trainer. */
export class CheckpointLister {
  readonly #location: StoreLocation;
  readonly #local: string | null;
  #stores: readonly Store[] | null = null;
  /** Kept for the next time: beginning to read takes longer than reading. */
  #run: Checkpointer | null = null;
  #warnings: string[] = [];
  #seen: string | null = null;

  constructor(location: StoreLocation, local: string | null) {
    this.#location = location;
    this.#local = local;
  }

  /**
   * @returns null where nothing has changed since the last call that returned
   * @throws VarveError where the store cannot be read
   * Cost: a listing; where that has changed, a read of every manifest.
   */
  async listChanged(signal: AbortSignal): Promise<readonly CheckpointFacts[] | null> {
    const stores = (this.#stores ??= await this.#openStores());
    const objects = await Promise.all(stores.map((store) => listObjects(store, signal)));
    const seen = sha256Hex(new TextEncoder().encode(JSON.stringify(objects)));
    if (seen === this.#seen) return null;
    const found = objects.flat().filter(({ name }) => CHECKPOINT.test(name));
    const facts = found.length === 0 ? [] : await this.#list(found);
    this.#seen = seen;
    return facts;
  }

  /** The next call returns the list, changed or not. */
  forget(): void {
    this.#seen = null;
  }

  async close(): Promise<void> {
    await this.#run?.close();
    this.#run = null;
    for (const store of this.#stores ?? []) await store.close?.();
    this.#stores = null;
  }

  async #openStores(): Promise<readonly Store[]> {
    const store = await openStore(this.#location.url, this.#location.options);
    return this.#local === null ? [store] : [await openStore(this.#local), store];
  }

  async #list(found: readonly Listed[]): Promise<readonly CheckpointFacts[]> {
    const store = this.#stores?.at(-1);
    if (store === undefined) return [];
    this.#warnings = [];
    this.#run ??= await Checkpointer.open({
      ...{ store, local: this.#local ?? undefined, readOnly: true },
      log: (event) => {
        if (event.kind === "warning") this.#warnings.push(event.message);
      },
    });
    return withUnreadable(await listReadable(this.#run), found, this.#warnings);
  }
}

async function listReadable(run: Checkpointer): Promise<readonly CheckpointInfo[]> {
  try {
    return await run.list();
  } catch (error) {
    // Each of them is shown with what is wrong.
    if (isVarveError(error, "VARVE_NO_INTACT_CHECKPOINT")) return [];
    throw error;
  }
}

async function listObjects(store: Store, signal: AbortSignal): Promise<readonly Listed[]> {
  const objects: Listed[] = [];
  for (const prefix of ["checkpoints/", "pins/"]) {
    for await (const { name, modifiedAtMs } of store.list(prefix, { signal })) objects.push({ name, modifiedAtMs });
  }
  return objects;
}

/** A checkpoint that is there and was not listed cannot be read: all that is known of it is its name. */
function withUnreadable(
  readable: readonly CheckpointInfo[],
  found: readonly Listed[],
  warnings: readonly string[],
): readonly CheckpointFacts[] {
  const facts = new Map<string, CheckpointFacts>(readable.map((info) => [info.name, { ...info, problem: null }]));
  for (const { name, modifiedAtMs } of found) {
    if (facts.has(name)) continue;
    const [, epoch = "0", sequence = "0"] = CHECKPOINT.exec(name) ?? [];
    facts.set(name, {
      ...{ name, step: 0, sequence: Number(sequence), epoch: Number(epoch), parent: null, metrics: {} },
      createdAt: new Date(modifiedAtMs ?? 0).toISOString(),
      ...{ storedBytes: 0, logicalBytes: 0, transitions: 0, pinned: false },
      problem: warnings.find((warning) => warning.includes(name)) ?? "it cannot be read",
    });
  }
  return [...facts.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
