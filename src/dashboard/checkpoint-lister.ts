import { sha256Hex } from "../base/hash.ts";
import {
  Checkpointer,
  type CheckpointInfo,
  isVarveError,
  openStore,
  type Store,
  type StoreLocation,
  type VerifyReport,
} from "../index.ts";
import type { CheckpointFacts } from "../record/run-record.ts";

/** Of the writer that wrote a pack, and of one that wrote through this folder. */
const PACK_EPOCH = /^packs\/(\d{8})-/;
const WRITER_EPOCH = /^writers\/(\d{8})\b/;

const CHECKPOINT = /^checkpoints\/(\d{8})-(\d{12})\.json$/;

interface Listed {
  readonly name: string;
  readonly modifiedAtMs: number | null;
}

/** Lists the checkpoints of a run, those that cannot be read included. Reads only, and never fences its trainer. */
export class CheckpointLister {
  readonly #location: StoreLocation;
  readonly #local: string | null;
  readonly #isCache: boolean;
  #stores: readonly Store[] | null = null;
  /** Kept for the next time: beginning to read takes longer than reading. */
  #run: Checkpointer | null = null;
  #warnings: string[] = [];
  #seen: string | null = null;
  #told: string | null = null;

  /** @param isCache - packs of writers that never wrote here may be missing: the run's own store has them */
  constructor(location: StoreLocation, local: string | null, isCache = false) {
    this.#location = location;
    this.#local = local;
    this.#isCache = isCache;
  }

  /**
   * @param isCheckDue - looks at the packs again where no checkpoint came or went
   * @returns null where nothing has changed since the last call that returned
   * @throws VarveError where the store cannot be read
   * Cost: a listing; where that has changed or a check is due, two reads of every manifest and a listing of the packs.
   */
  async listChanged(signal: AbortSignal, isCheckDue = false): Promise<readonly CheckpointFacts[] | null> {
    const stores = (this.#stores ??= await this.#openStores());
    const objects = await Promise.all(stores.map((store) => listObjects(store, signal)));
    const seen = sha256Hex(new TextEncoder().encode(JSON.stringify(objects)));
    if (seen === this.#seen && !isCheckDue) return null;
    const found = objects.flat().filter(({ name }) => CHECKPOINT.test(name));
    const facts = found.length === 0 ? [] : await this.#list(found);
    this.#seen = seen;
    const told = JSON.stringify(facts);
    if (told === this.#told) return null;
    this.#told = told;
    return facts;
  }

  /** The next call returns the list, changed or not. */
  forget(): void {
    this.#seen = null;
    this.#told = null;
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
    const readable = await listReadable(this.#run);
    const problems = readable.length === 0 ? new Map<string, string>() : await this.#problems(this.#run, store);
    return withUnreadable(readable, found, this.#warnings, problems);
  }

  /** Of each checkpoint that names a pack which is missing or of another size. Reads no pack. */
  async #problems(run: Checkpointer, store: Store): Promise<ReadonlyMap<string, string>> {
    const { checkpoints, tiers } = await run.verify({ readData: false });
    const excused = this.#isCache ? await excusedProblems(store, tiers) : new Set<string>();
    return new Map(
      checkpoints.flatMap(({ name, problems, isRestorable }) => {
        const [first, ...others] = problems.filter((problem) => !excused.has(problem));
        if (first === undefined) return [];
        const more = others.length === 0 ? "" : `, and ${others.length} more`;
        const whole = isRestorable ? "; with both places it can be restored" : "";
        return [[name, `${first}${more}${whole}`] as const];
      }),
    );
  }
}

/** Packs that a folder before the run's store lacks because writers elsewhere made them: they are in that store. */
async function excusedProblems(store: Store, tiers: VerifyReport["tiers"]): Promise<ReadonlySet<string>> {
  const own = new Set<string | undefined>();
  for await (const { name } of store.list("writers/")) own.add(WRITER_EPOCH.exec(name)?.[1]);
  const missing = tiers.flatMap(({ problems }) => problems).filter(({ kind }) => kind === "missing");
  const foreign = missing.filter(({ object }) => !own.has(PACK_EPOCH.exec(object)?.[1]));
  return new Set(foreign.map(({ problem }) => problem));
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
  problems: ReadonlyMap<string, string>,
): readonly CheckpointFacts[] {
  const facts = new Map<string, CheckpointFacts>(
    readable.map((info) => [info.name, { ...info, problem: problems.get(info.name) ?? null }]),
  );
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
