import { isDeepStrictEqual } from "node:util";
import type { Scheduler } from "fast-check";
import type { Clock } from "../../src/base/clock.ts";
import { isVarveError } from "../../src/errors.ts";
import { compareCheckpoints, parseCheckpointName, parseWriterName } from "../../src/manifest/names.ts";
import { type ParsedManifest, parseManifest } from "../../src/manifest/serialize.ts";
import { BUFFERS, type BufferName, type ModelBuffer, type ModelRows, rowsIn } from "./model-buffer.ts";
import { PinsAndPrunes } from "./pins-and-prunes.ts";
import { GRACE_MS, isIntact, type Planted, Process } from "./process.ts";
import type { ReadCheckpoint } from "./read-newest.ts";
import { connect, SharedObjects, type Trouble } from "./shared-store.ts";

/** What one process of a scenario does. */
export interface Role {
  readonly kind: "writer" | "two tiers" | "prune" | "restore" | "pin";
  /** The buffers of each save. */
  readonly saves: readonly (readonly BufferName[])[];
  /** What a writer pins while the retention of its first save runs: the first checkpoint of all, or that save's own. */
  readonly pin: 1 | "own" | null;
}

export interface Scenario {
  readonly roles: readonly Role[];
  readonly keepLast: number;
  /** Whether the first process goes on from the older of two checkpoints; else there is one. */
  readonly isBranching: boolean;
  /** Whether what there was before is older than the grace period. */
  readonly isAged: boolean;
  /** The process that is stopped before its operation of that number, or that kind, until all others have ended. */
  readonly stall: { readonly role: number; readonly before: number | RegExp; readonly beyondGrace: boolean } | null;
  readonly troubles: readonly { readonly role: number; readonly operation: number; readonly kind: Trouble }[];
}

interface Commit {
  readonly name: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly parent: string | null;
  readonly by: string;
}

/** Codes that a process may end with: it was replaced, or its store failed too often. */
const ENDINGS = ["VARVE_FENCED", "VARVE_STORE", "VARVE_PRUNE_REFUSED"];

/** Some processes on one run, every request of which has its turn when the scheduler says so. */
export class World {
  readonly shared: SharedObjects = new SharedObjects();
  readonly clock: Clock;
  /** In the order in which they were acknowledged. */
  readonly commits: Commit[] = [];
  readonly faults: string[] = [];
  readonly #pins = new PinsAndPrunes();
  /** The rows that were saved, by the manifest's write id. */
  readonly #contents: Map<string, ReadonlyMap<string, ModelRows>> = new Map();
  readonly #manifests = new WeakMap<Uint8Array, ParsedManifest>();
  restored = 0;
  /** Whether one of them leaves the newest checkpoint behind, as it was told to. */
  isBranching = false;
  /** Whether a process may sleep for longer than the grace period. */
  hasSleeper = false;
  /** Whether what was there when they began is older than the grace period. */
  isAged = false;
  fenced = 0;
  operations = 0;
  /** How wrong the clock of the processes is; the store's own is right, and time goes on evenly. */
  skewMs = 0;
  readonly #claims: Map<number, string> = new Map();
  #ids = 0;
  #values = 0;

  constructor() {
    this.clock = { now: () => this.shared.nowMs + this.skewMs, monotonicMs: () => this.shared.nowMs };
  }

  newId(): string {
    return `id-${this.#ids++}`;
  }

  /** Of a row: no other has it. */
  newValue(): number {
    return this.#values++;
  }

  beginPin(by: string): ReturnType<PinsAndPrunes["beginPin"]> {
    return this.#pins.beginPin(by);
  }

  duringPrune<T>(by: string, prune: () => Promise<T>): Promise<T> {
    return this.#pins.duringPrune(by, prune);
  }

  newestEpoch(): number {
    return Math.max(0, ...this.shared.names("writers/").map((name) => parseWriterName(name) ?? 0));
  }

  noteClaim(epoch: number, by: string): void {
    const holder = this.#claims.get(epoch) ?? by;
    if (holder !== by) this.faults.push(`epoch ${epoch} was given to ${holder} and to ${by}`);
    this.#claims.set(epoch, holder);
  }

  /** A commit was acknowledged: what must be true at this moment. */
  noteCommit(commit: Commit): void {
    const earlier = this.commits.filter(({ epoch }) => epoch !== commit.epoch);
    for (const other of earlier) {
      if (other.epoch > commit.epoch) this.faults.push(`${commit.by} committed ${commit.name} after ${other.name}`);
      else if (!this.isBranching && !this.#descends(commit, other.name))
        this.faults.push(`${commit.name} leaves ${other.name} behind`);
    }
    if (this.commits.some(({ name }) => name === commit.name)) this.faults.push(`${commit.name} was committed twice`);
    const problem = this.#problemOf(commit.name);
    if (problem !== null) this.faults.push(`${commit.name} was committed: ${problem}`);
    this.commits.push(commit);
  }

  /** What a save is about to commit. */
  noteContent(writeId: string, buffers: readonly ModelBuffer[]): void {
    this.#contents.set(writeId, new Map(buffers.map(({ name, rows }) => [name, rows])));
  }

  newestAcknowledged(): string | null {
    return [...this.commits].sort(compareCheckpoints).at(-1)?.name ?? null;
  }

  /** @param newest - of what was acknowledged when the restore began */
  noteRestore(by: string, newest: string | null, read: ReadCheckpoint | null): void {
    this.restored++;
    const found = read?.manifest.name ?? null;
    if (newest !== null && (found === null || found < newest) && !this.hasSleeper) {
      this.faults.push(`${by} restored ${found}, and ${newest} had been acknowledged before`);
    }
    if (read !== null && !isSame(read.rows, this.#contents.get(read.manifest.writeId))) {
      this.faults.push(`${by} restored other rows than were saved as ${found}`);
    }
  }

  /** By what was ever stored: retention may have removed what lies between. */
  #descends(commit: Commit, ancestor: string): boolean {
    for (let name = commit.parent; name !== null; ) {
      if (name === ancestor) return true;
      const bytes = this.shared.everything.get(name);
      name = bytes === undefined ? null : (this.#parsed(bytes, name).manifest.parent?.name ?? null);
    }
    return false;
  }

  /** What must be true when all have ended. */
  check(): void {
    for (const name of this.shared.overwritten) this.faults.push(`${name} was given other bytes`);
    const names = this.shared.names("checkpoints/");
    const whole = names.filter((name) => this.#problemOf(name) === null);
    for (const name of names) {
      const problem = this.#problemOf(name);
      if (problem !== null && !this.#mayLackPacks(name)) this.faults.push(`${name} is there: ${problem}`);
    }
    for (const name of this.#pins.held()) {
      if (!whole.includes(name)) this.faults.push(`${name} was pinned, and cannot be restored`);
    }
    const newest = this.newestAcknowledged();
    const restorable = whole.at(-1);
    if (newest !== null && (restorable === undefined || restorable < newest)) {
      this.faults.push(`${newest} was acknowledged, and the newest that can be restored is ${restorable}`);
    }
  }

  /**
   * A writer that was replaced in the moment before its create may leave a manifest whose packs the newer one has pruned:
   * all of them where it slept for longer than the grace period, else those of before that were older than that already.
   * It was never acknowledged.
   */
  #mayLackPacks(name: string): boolean {
    if (this.commits.some((commit) => commit.name === name)) return false;
    const epoch = parseCheckpointName(name)?.epoch ?? 0;
    return this.newestEpoch() > epoch && (this.hasSleeper || this.isAged);
  }

  /** Stored bytes never change: each is parsed once. */
  #parsed(bytes: Uint8Array, name: string): ParsedManifest {
    const known = this.#manifests.get(bytes) ?? parseManifest(bytes, name);
    this.#manifests.set(bytes, known);
    return known;
  }

  /** Why a stored checkpoint is not what was saved; null where it is, to the last row. */
  #problemOf(name: string): string | null {
    const bytes = this.shared.objects.get(name)?.bytes;
    if (bytes === undefined || parseCheckpointName(name) === undefined) return "it is not there";
    const { manifest } = this.#parsed(bytes, name);
    const packs = manifest.packs.map((pack) => this.shared.objects.get(pack.name)?.bytes);
    const missing = manifest.packs.find((pack, place) => !isIntact(pack.name, packs[place]));
    if (missing !== undefined) return `its pack ${missing.name} is not`;
    const rows = rowsIn(manifest, (place) => packs[place] as Uint8Array);
    return isSame(rows, this.#contents.get(manifest.writeId)) ? null : "its rows are others than were saved";
  }
}

function isSame(rows: ReadonlyMap<string, ModelRows>, saved: ReadonlyMap<string, ModelRows> | undefined): boolean {
  return saved !== undefined && isDeepStrictEqual(new Map(rows), new Map(saved));
}

function processOf(
  world: World,
  scenario: Scenario,
  place: number,
  scheduler: Scheduler,
  ended: Promise<void>[],
  planted: Planted,
): Process {
  const { roles, keepLast, stall, troubles } = scenario;
  const role = roles[place] as Role;
  const name = `${role.kind} ${place}`;
  let operation = -1;
  let hasStalled = false;
  const isStall = (what: string): boolean => {
    if (hasStalled || stall?.role !== place) return false;
    hasStalled = typeof stall.before === "number" ? stall.before === operation : stall.before.test(what);
    return hasStalled;
  };
  const turn = async (what: string): Promise<void> => {
    operation++;
    world.operations++;
    if (isStall(what)) {
      if (stall?.beyondGrace) world.shared.nowMs += 2 * GRACE_MS;
      await Promise.all(ended.filter((_, other) => other !== place));
    }
    await scheduler.schedule(Promise.resolve(), `${name}: ${what}`);
    world.shared.nowMs++;
  };
  const trouble = (): Trouble | null =>
    troubles.find((each) => each.role === place && each.operation === operation)?.kind ?? null;
  const store = connect(world.shared, "s3://bucket/run", { turn, trouble });
  return new Process({ name, world, store, keepLast, planted, isTiered: role.kind === "two tiers" });
}

/** A process whose every request is done at once. */
export function unscheduled(world: World, name: string, keepLast: number): Process {
  const store = connect(world.shared, "s3://bucket/run", { turn: async () => undefined, trouble: () => null });
  return new Process({ name, world, store, keepLast, planted: {}, isTiered: false });
}

/** A run with one or two checkpoints, made before anybody is scheduled. */
async function begin(world: World, { isBranching, isAged }: Scenario): Promise<void> {
  const first = unscheduled(world, "first", 3);
  await first.resume();
  await first.save(BUFFERS);
  // The second one leaves a buffer out: some packs of the first are named by that alone.
  if (isBranching) await first.save(["a"]);
  if (isAged) world.shared.nowMs += 2 * GRACE_MS;
}

async function act(process: Process, { kind, saves, pin }: Role, isBranch: boolean): Promise<void> {
  if (kind === "prune" || kind === "pin" || kind === "restore") {
    await process.look();
    if (kind === "prune") await process.prune();
    else if (kind === "pin") await process.pin(1);
    else await process.restore();
    return;
  }
  try {
    await process.resume(isBranch ? 1 : null);
  } catch (error) {
    // What was asked for by its step may have been pruned.
    if (isBranch && isVarveError(error, "VARVE_CHECKPOINT_NOT_FOUND", "VARVE_CORRUPT")) return;
    throw error;
  }
  for (const [place, buffers] of saves.entries()) await process.save(buffers, place === 0 ? pin : null);
}

/** Lets all processes of a scenario run as the scheduler has it. @returns what went wrong, and figures */
export async function play(scenario: Scenario, scheduler: Scheduler, planted: Planted = {}): Promise<World> {
  const world = new World();
  world.hasSleeper = scenario.stall?.beyondGrace === true;
  world.isBranching = scenario.isBranching;
  world.isAged = scenario.isAged;
  await begin(world, scenario);
  const ended: Promise<void>[] = [];
  const ends = scenario.roles.map(() => Promise.withResolvers<void>());
  ended.push(...ends.map(({ promise }) => promise));
  const processes = scenario.roles.map((_, place) => processOf(world, scenario, place, scheduler, ended, planted));
  const running = scenario.roles.map(async (role, place) => {
    const process = processes[place] as Process;
    try {
      await act(process, role, scenario.isBranching && place === 0);
    } catch (error) {
      if (!isVarveError(error, ...ENDINGS)) world.faults.push(`${process.name} ended with ${String(error)}`);
      if (isVarveError(error, "VARVE_FENCED")) world.fenced++;
    } finally {
      ends[place]?.resolve();
    }
  });
  await scheduler.waitFor(Promise.all(running));
  await checkFenced(world, processes, scheduler);
  await tidyUp(world, scenario.keepLast);
  world.check();
  return world;
}

/** `varve prune` once nobody trains any more: what the others left behind must not mislead it. */
async function tidyUp(world: World, keepLast: number): Promise<void> {
  const last = unscheduled(world, "last", keepLast);
  await last.look();
  world.shared.nowMs += 2 * GRACE_MS;
  await last.prune();
  await last.restore();
}

/** Whoever was replaced finds that out at its next save, and changes nothing. */
async function checkFenced(world: World, processes: readonly Process[], scheduler: Scheduler): Promise<void> {
  const newest = world.newestEpoch();
  for (const process of processes) {
    const { epoch } = process.writer;
    if (epoch === null || epoch === newest) continue;
    const outcome = await scheduler.waitFor(
      process.save(BUFFERS).then(
        () => "was saved",
        (error: unknown) => (isVarveError(error, "VARVE_FENCED") ? "fenced" : `failed: ${String(error)}`),
      ),
    );
    if (outcome === "fenced") world.fenced++;
    else world.faults.push(`${process.name} of epoch ${epoch} saved after epoch ${newest}, and ${outcome}`);
  }
}
