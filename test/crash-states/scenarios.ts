import { createRandom, type Random } from "../../src/base/random.ts";
import { StoreError } from "../../src/errors.ts";
import { type Fault, withFaults } from "../../src/testing/fault-store.ts";
import { type FileCall, failFileCalls, interceptFileSystem } from "../../src/testing/intercept-file-system.ts";
import { type Before, History, type Place, type Plant, type ProcessSettings } from "./history.ts";
import type { Promised } from "./judge.ts";
import { statesOf } from "./states-of.ts";

/** Something that happens to a run; every state in which a crash can leave it is looked at. */
export interface Scenario {
  readonly name: string;
  readonly place: Place;
  readonly promised: Promised;
  /** Makes the history; equal seeds make equal ones. */
  readonly record: (seed: number, plant?: Plant) => Promise<History>;
}

type Script = (history: History, random: Random, seed: number) => Promise<void>;

const KEEP_ALL: Promised = { keepLast: null };

function scenario(name: string, place: Place, script: Script, promised = KEEP_ALL): Scenario {
  return {
    ...{ name, place, promised },
    record: async (seed, plant) => {
      const history = new History({ place, plant });
      await script(history, createRandom(seed), seed);
      return history;
    },
  };
}

/** As `scenario`, on what a crash in the middle of several saves left. */
function afterCrash(name: string, place: Place, script: Script, promised = KEEP_ALL): Scenario {
  return {
    ...{ name, place, promised },
    record: async (seed, plant) => {
      const random = createRandom(seed);
      const history = new History({ place, plant, before: await crashedRun(place, random) });
      await script(history, random, seed);
      return history;
    },
  };
}

async function crashedRun(place: Place, random: Random): Promise<Before> {
  const first = new History({ place });
  await saves(first, random, 1 + random.int(1000));
  const states = [...statesOf(first, { seed: 1 + random.int(1000), maxStatesPerPoint: 6 })];
  // Of the last half, so that there mostly is something to resume from.
  const half = states.length >> 1;
  const state = states[half + random.int(states.length - half)];
  const { disk = null, objects = new Map() } = state?.remains ?? {};
  // A machine that is gone leaves nothing to go on from on its disk.
  const isGone = disk === null && place === "tiers";
  if (isGone) first.model.forgetDisk();
  const notes = isGone ? [] : (state?.notes ?? []);
  const told = notes.filter((note) => !note.startsWith("store "));
  return { image: disk ?? new History({ place }).disk.initial, objects, model: first.model, notes: told };
}

/** New run, several saves in a row, some of them while the last one is still under way. */
async function saves(history: History, random: Random, seed: number): Promise<void> {
  const process = await history.start();
  const under: Promise<void>[] = [];
  for (let step = 1; step <= 4; step++) {
    process.train(seed * 10 + step);
    const save = history.save(process, step);
    under.push(save.durable);
    if (random.int(2) === 0) await history.time.until(save.durable);
  }
  await history.time.until(Promise.all(under));
  await process.close();
}

/** Retention after every commit, with a pin. */
const RETENTION: Promised = { keepLast: 2 };

async function retention(history: History, _random: Random, seed: number): Promise<void> {
  const process = await history.start({ retention: RETENTION });
  for (let step = 1; step <= 6; step++) {
    process.train(seed * 10 + step);
    await history.saveDurably(process, step);
    if (step === 2) await history.pin(process, step);
  }
  await process.close();
}

async function resume(history: History, _random: Random, seed: number): Promise<void> {
  const process = await history.start();
  await process.restore();
  for (let step = 11; step <= 13; step++) {
    process.trainOtherwise(seed * 10 + step);
    await history.saveDurably(process, step);
  }
  await process.close();
}

/** Goes back to an older checkpoint and trains on from there, in other ways. */
async function branch(history: History, random: Random, seed: number): Promise<void> {
  const process = await history.start();
  for (let step = 1; step <= 3; step++) {
    process.train(seed * 10 + step);
    await history.saveDurably(process, step);
  }
  await process.restore(1 + random.int(2));
  for (let step = 4; step <= 5; step++) {
    process.trainOtherwise(seed * 10 + step);
    await history.saveDurably(process, step);
  }
  await process.close();
}

/** A prune of everything that the crash before left unnamed, and of old checkpoints. */
async function prune(history: History, _random: Random, seed: number): Promise<void> {
  const process = await history.start({ retention: { keepLast: 1, gracePeriodMs: 0 } });
  await process.restore();
  await process.prune(true);
  process.trainOtherwise(seed);
  await history.saveDurably(process, 11);
  await process.close();
}

/** Killed at a file call, and gone on with while nothing of what it had not synced is durable yet. */
async function killed(history: History, random: Random, seed: number): Promise<void> {
  const dead = Promise.withResolvers<void>();
  let calls = 20 + random.int(240);
  const disk: ProcessSettings["disk"] = (inner) =>
    interceptFileSystem(inner, (_, proceed) => {
      if (calls-- > 0) return proceed();
      dead.resolve();
      return new Promise(() => undefined);
    });
  const life = async (): Promise<void> => {
    const process = await history.create({ disk });
    await process.open();
    for (let step = 1; step <= 4; step++) {
      process.train(seed * 10 + step);
      await history.saveDurably(process, step);
    }
  };
  const living = life();
  living.catch(() => undefined);
  await history.time.until(Promise.race([living, dead.promise]));
  await resume(history, random, seed);
}

/** One sync of a folder fails, and what was being written is written again. */
async function failingSync(history: History, random: Random, seed: number): Promise<void> {
  const isSync = ({ operation, path }: FileCall): boolean =>
    operation === "syncFolder" && /packs$|checkpoints$/.test(path);
  const after = random.int(16);
  const process = await history.start({ disk: (inner) => failFileCalls(inner, "EIO", after, 1, isSync) });
  await trainThroughFailures(history, process, seed);
  await process.close();
}

async function trainThroughFailures(
  history: History,
  process: Awaited<ReturnType<History["start"]>>,
  seed: number,
): Promise<void> {
  for (let step = 1; step <= 4; step++) {
    process.train(seed * 10 + step);
    const { durable, committed } = history.save(process, step);
    // What becomes of one that fails is not told: it may be there or not.
    await history.time.until(Promise.allSettled([durable, committed]));
  }
}

/** One put goes wrong: of seeds 1 and 2 the first (its answer lost; not done), of seeds 3 and 4 the second, and so on. */
function faultOf(seed: number): Fault {
  const kind = seed % 2 === 1 ? "lost-answer" : "reject";
  const error = (): StoreError => new StoreError("network", "put", "an object", "a planned fault");
  return { kind, method: "put", after: (seed - 1) >> 1, error };
}

async function lostAnswer(history: History, _random: Random, seed: number): Promise<void> {
  const process = await history.start({
    store: (store, tier) => (tier === "first" ? withFaults(store, [faultOf(seed)]) : store),
  });
  await trainThroughFailures(history, process, 3);
  await process.close();
}

async function lostAnswerOfSecondTier(history: History, _random: Random, seed: number): Promise<void> {
  const process = await history.start({
    store: (store, tier) => (tier === "second" ? withFaults(store, [faultOf(seed)]) : store),
  });
  await trainThroughFailures(history, process, 3);
  await process.close();
}

/** The store is away; later another process sends it what it lacks. */
async function sync(history: History, _random: Random, seed: number): Promise<void> {
  const first = await history.start();
  first.train(seed);
  await history.time.until(history.save(first, 1).committed);
  await first.close();
  const away = await history.start({
    retention: { keepLast: 2 },
    store: (store, tier) => (tier === "second" ? unreachable(store) : store),
  });
  await away.restore();
  for (let step = 2; step <= 4; step++) {
    away.train(seed * 10 + step);
    await history.saveDurably(away, step);
  }
  await away.close();
  const back = await history.start();
  await back.sync();
  for (const step of [2, 3, 4]) history.disk.note(`committed ${step}`);
  await back.close();
}

/** Puts of content are refused for good; the rest goes well, so that epochs can be claimed. */
function unreachable(store: Parameters<typeof withFaults>[0]): ReturnType<typeof withFaults> {
  const error = (): StoreError => new StoreError("permission", "put", "a pack", "the store is away");
  const name = /^(packs|checkpoints)\//;
  return withFaults(store, [{ kind: "reject", method: "put", name, times: Number.POSITIVE_INFINITY, error }]);
}

/** A writer stands still before its manifest, another one takes over and prunes, and the first one wakes up. */
async function stalled(history: History, random: Random, seed: number): Promise<void> {
  const manifest = /^checkpoints\//;
  let faults: ReturnType<typeof withFaults> | null = null;
  const process = await history.start({
    store: (store, tier) => {
      if (tier === "second") return store;
      faults = withFaults(store, [{ kind: "stall", method: "put", name: manifest, after: 1 }]);
      return faults;
    },
  });
  process.train(seed);
  await history.saveDurably(process, 1);
  process.train(seed + 1);
  const late = history.save(process, 2);
  while ((faults as ReturnType<typeof withFaults> | null)?.faults.injected.stall === 0) await history.time.sleep(0);
  const other = await history.start({ retention: { gracePeriodMs: 3_600_000 } });
  await other.restore();
  other.trainOtherwise(seed + 3);
  await history.saveDurably(other, 3);
  await other.prune();
  (faults as ReturnType<typeof withFaults> | null)?.faults.release();
  await history.time.until(Promise.allSettled([late.durable]));
  process.train(seed + 4);
  const later = history.save(process, 4);
  await history.time.until(Promise.allSettled([later.durable]));
  if (random.int(2) === 0) {
    other.train(seed + 5);
    await history.saveDurably(other, 5);
  }
  await process.close();
  await other.close();
}

/** Two that resume at once: at most one of them goes on. */
async function resumers(history: History, _random: Random, seed: number): Promise<void> {
  const both = [await history.start(), await history.start()];
  for (const process of both) await process.restore();
  const saving = both.map(async (process, index) => {
    process.trainOtherwise(seed + index);
    await Promise.allSettled([history.save(process, 11 + index).durable]);
    process.train(seed + 2 + index);
    await Promise.allSettled([history.save(process, 21 + index).durable]);
  });
  await history.time.until(Promise.all(saving));
  for (const process of both) await process.close();
}

export const SCENARIOS: readonly Scenario[] = [
  scenario("save", "disk", saves),
  scenario("retention", "disk", retention, RETENTION),
  scenario("branch", "disk", branch),
  scenario("killed", "disk", killed),
  scenario("failing-sync", "disk", failingSync),
  scenario("stalled", "disk", stalled),
  afterCrash("resume", "disk", resume),
  afterCrash("resumers", "disk", resumers),
  afterCrash("prune", "disk", prune, { keepLast: 1 }),
  scenario("save-to-cloud", "cloud", saves),
  scenario("retention-in-cloud", "cloud", retention, RETENTION),
  scenario("lost-answer", "cloud", lostAnswer),
  scenario("stalled-in-cloud", "cloud", stalled),
  afterCrash("resume-in-cloud", "cloud", resume),
  afterCrash("prune-in-cloud", "cloud", prune, { keepLast: 1 }),
  scenario("save-to-tiers", "tiers", saves),
  scenario("retention-in-tiers", "tiers", retention, RETENTION),
  scenario("lost-answer-in-tiers", "tiers", lostAnswerOfSecondTier),
  scenario("sync", "tiers", sync),
  afterCrash("resume-in-tiers", "tiers", resume),
  afterCrash("prune-in-tiers", "tiers", prune, { keepLast: 1 }),
];

export function scenarioNamed(name: string): Scenario {
  const found = SCENARIOS.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no scenario is named ${name}`);
  return found;
}
