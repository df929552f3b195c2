import type { Scheduler } from "fast-check";
import type { Clock } from "../../src/base/clock.ts";
import { isVarveError } from "../../src/errors.ts";
import type { PackRef } from "../../src/manifest/manifest.ts";
import { compareCheckpoints, parseCheckpointName, parseWriterName } from "../../src/manifest/names.ts";
import { parseManifest } from "../../src/manifest/serialize.ts";
import { GRACE_MS, isIntact, type Planted, Process } from "./process.ts";
import { connect, SharedObjects, type Trouble } from "./shared-store.ts";

/** What one process of a scenario does. */
export interface Role {
  readonly kind: "writer" | "two tiers" | "prune";
  readonly saves: number;
}

export interface Scenario {
  readonly roles: readonly Role[];
  readonly keepLast: number;
  /** The process that is stopped before its operation of that number, or that kind, until all others have ended. */
  readonly stall: { readonly role: number; readonly before: number | RegExp; readonly beyondGrace: boolean } | null;
  readonly troubles: readonly { readonly role: number; readonly operation: number; readonly kind: Trouble }[];
}

interface Commit {
  readonly name: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly parent: string | null;
  readonly packs: readonly PackRef[];
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
  fenced = 0;
  operations = 0;
  /** How wrong the clock of the processes is; the store's own is right, and time goes on evenly. */
  skewMs = 0;
  readonly #claims: Map<number, string> = new Map();
  readonly #names: string[] = [];
  #ids = 0;

  constructor() {
    this.clock = { now: () => this.shared.nowMs + this.skewMs, monotonicMs: () => this.shared.nowMs };
  }

  newId(): string {
    return `id-${this.#ids++}`;
  }

  numberOf(name: string): number {
    if (!this.#names.includes(name)) this.#names.push(name);
    return this.#names.indexOf(name);
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
      else if (!this.#descends(commit, other.name)) this.faults.push(`${commit.name} leaves ${other.name} behind`);
    }
    if (this.commits.some(({ name }) => name === commit.name)) this.faults.push(`${commit.name} was committed twice`);
    const missing = commit.packs.filter(({ name }) => !isIntact(name, this.shared.objects.get(name)?.bytes));
    if (missing.length > 0) this.faults.push(`${commit.name} was committed without ${missing[0]?.name}`);
    this.commits.push(commit);
  }

  /** By what was ever stored: retention may have removed what lies between. */
  #descends(commit: Commit, ancestor: string): boolean {
    for (let name = commit.parent; name !== null; ) {
      if (name === ancestor) return true;
      const bytes = this.shared.everything.get(name);
      name = bytes === undefined ? null : (parseManifest(bytes, name).manifest.parent?.name ?? null);
    }
    return false;
  }

  /** What must be true when all have ended. */
  check(beyondGrace: boolean): void {
    for (const name of this.shared.overwritten) this.faults.push(`${name} was given other bytes`);
    const names = this.shared.names("checkpoints/");
    const whole = names.filter((name) => this.#missingOf(name).length === 0);
    // A stranger that slept for longer than the grace period may leave a manifest whose packs are gone: never one that
    // was acknowledged.
    for (const name of beyondGrace ? [] : names) {
      const [missing] = this.#missingOf(name);
      if (missing !== undefined) this.faults.push(`${name} is there and its pack ${missing} is not`);
    }
    const newest = [...this.commits].sort(compareCheckpoints).at(-1);
    const restorable = whole.at(-1);
    if (newest !== undefined && (restorable === undefined || restorable < newest.name)) {
      this.faults.push(`${newest.name} was acknowledged, and the newest that can be restored is ${restorable}`);
    }
  }

  #missingOf(name: string): string[] {
    const bytes = this.shared.objects.get(name)?.bytes;
    if (bytes === undefined || parseCheckpointName(name) === undefined) return [];
    const { packs } = parseManifest(bytes, name).manifest;
    return packs
      .filter((pack) => !isIntact(pack.name, this.shared.objects.get(pack.name)?.bytes))
      .map((pack) => pack.name);
  }
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

/** A run with one checkpoint, made before anybody is scheduled. */
async function begin(world: World): Promise<void> {
  const first = unscheduled(world, "first", 3);
  await first.resume();
  await first.save();
}

/** Lets all processes of a scenario run as the scheduler has it. @returns what went wrong, and figures */
export async function play(scenario: Scenario, scheduler: Scheduler, planted: Planted = {}): Promise<World> {
  const world = new World();
  await begin(world);
  const ended: Promise<void>[] = [];
  const ends = scenario.roles.map(() => Promise.withResolvers<void>());
  ended.push(...ends.map(({ promise }) => promise));
  const processes = scenario.roles.map((_, place) => processOf(world, scenario, place, scheduler, ended, planted));
  const running = scenario.roles.map(async (role, place) => {
    const process = processes[place] as Process;
    try {
      if (role.kind === "prune") {
        await process.look();
        await process.prune();
      } else {
        await process.resume();
        for (let save = 0; save < role.saves; save++) await process.save();
      }
    } catch (error) {
      if (!isVarveError(error, ...ENDINGS)) world.faults.push(`${process.name} ended with ${String(error)}`);
      if (isVarveError(error, "VARVE_FENCED")) world.fenced++;
    } finally {
      ends[place]?.resolve();
    }
  });
  await scheduler.waitFor(Promise.all(running));
  await checkFenced(world, scenario.roles, processes, scheduler);
  await tidyUp(world, scenario.keepLast);
  world.check(scenario.stall?.beyondGrace === true);
  return world;
}

/** `varve prune` once nobody trains any more: what the others left behind must not mislead it. */
async function tidyUp(world: World, keepLast: number): Promise<void> {
  const last = unscheduled(world, "last", keepLast);
  await last.look();
  world.shared.nowMs += 2 * GRACE_MS;
  await last.prune();
}

/** Whoever was replaced finds that out at its next save, and changes nothing. */
async function checkFenced(
  world: World,
  roles: readonly Role[],
  processes: readonly Process[],
  scheduler: Scheduler,
): Promise<void> {
  const newest = world.newestEpoch();
  for (const [place, process] of processes.entries()) {
    const { epoch } = process.writer;
    if (epoch === null || epoch === newest || roles[place]?.kind === "prune") continue;
    const outcome = await scheduler.waitFor(
      process.save().then(
        () => "was saved",
        (error: unknown) => (isVarveError(error, "VARVE_FENCED") ? "fenced" : `failed: ${String(error)}`),
      ),
    );
    if (outcome === "fenced") world.fenced++;
    else world.faults.push(`${process.name} of epoch ${epoch} saved after epoch ${newest}, and ${outcome}`);
  }
}
