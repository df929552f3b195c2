import { Tiers } from "../../src/checkpoint/saver/tiers.ts";
import { verifyRun } from "../../src/checkpoint/saver/verify.ts";
import {
  Checkpointer,
  type CheckpointerOptions,
  type ReplayBufferOptions,
  type Store,
  stateHash,
} from "../../src/index.ts";
import type { FileSystem } from "../../src/store/file-system.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { CrashFileSystem } from "../../src/testing/crash-file-system.ts";
import { crashStates } from "../../src/testing/crash-states.ts";
import { withRecording } from "../../src/testing/recording-store.ts";
import {
  addInline,
  addWindows,
  type InlineBuffer,
  inlineBuffer,
  type inlineFields,
  numbersFrom,
  type WindowBuffer,
  windowBuffer,
} from "./support.ts";

/*
 * What must hold, as functions that tell what does not. Each takes the place where a bug can be planted, so that the
 * same check is run with and without it.
 */

type InlineOptions = Partial<Omit<ReplayBufferOptions<typeof inlineFields>, "fields">>;

async function withRun<T>(options: CheckpointerOptions, work: (checkpointer: Checkpointer) => Promise<T>): Promise<T> {
  const checkpointer = await Checkpointer.open(options);
  try {
    return await work(checkpointer);
  } finally {
    await checkpointer.close();
  }
}

/**
 * Overwrites the whole buffer several times right after save(), before the saver could read a row: it cannot claim
 * its epoch before this thread yields, for the store lives here.
 */
export async function rowsThatChanged(create: () => WindowBuffer): Promise<string[]> {
  return withRun({ store: createMemoryStore(), onBacklog: "queue" }, async (checkpointer) => {
    const buffer = create();
    const expected: string[] = [];
    for (let step = 0; step < 3; step++) {
      addWindows(buffer, 100);
      expected.push(stateHash({ buffer }));
      checkpointer.save({ step, buffer });
    }
    addWindows(buffer, 500);
    await checkpointer.waitUntilFinished();
    const wrong: string[] = [];
    for (const [step, hash] of expected.entries()) {
      const copy = windowBuffer();
      // Torn ids may lead nowhere, which the restore tells.
      const told = await checkpointer.restore({ step, buffer: copy }).catch((error: unknown) => error);
      const isWhole = !(told instanceof Error) && stateHash({ buffer: copy }) === hash;
      if (!isWhole) wrong.push(`step ${step} holds rows that were added after it`);
    }
    return wrong;
  });
}

/** Changes priorities right after save(), as often as it takes to be faster than the saver at least once. */
export async function prioritiesThatChanged(create: () => InlineBuffer): Promise<string[]> {
  return withRun({ store: createMemoryStore(), onBacklog: "queue" }, async (checkpointer) => {
    const buffer = create();
    addInline(buffer, 64);
    const expected: string[] = [];
    for (let step = 0; step < 20; step++) {
      buffer.updatePriorities(numbersFrom(0, 64), numbersFrom(step, step + 64));
      expected.push(stateHash({ buffer }));
      checkpointer.save({ step, buffer });
      buffer.updatePriorities(numbersFrom(0, 64), numbersFrom(1000, 1064));
    }
    await checkpointer.waitUntilFinished();
    const wrong: string[] = [];
    for (const [step, hash] of expected.entries()) {
      const copy = inlineBuffer({ prioritized: {} });
      await checkpointer.restore({ step, buffer: copy });
      // The largest priority so far is part of the hash, and not of the leaves.
      if (stateHash({ buffer: copy }) !== hash) wrong.push(`step ${step} holds priorities that were set after it`);
    }
    return wrong;
  });
}

/** Goes back and trains on, and replaces the buffer by a new one: rows of the same numbers, but others. */
export async function rowsOfAnotherPast(options: InlineOptions): Promise<string[]> {
  return withRun({ store: createMemoryStore() }, async (checkpointer) => {
    const wrong: string[] = [];
    const check = async (what: string, buffer: InlineBuffer): Promise<void> => {
      await checkpointer.save({ step: 9, buffer }).committed;
      const copy = inlineBuffer();
      await checkpointer.restore({ buffer: copy });
      if (stateHash({ buffer: copy }) !== stateHash({ buffer })) wrong.push(what);
    };
    const first = inlineBuffer(options);
    addInline(first, 31);
    await checkpointer.save({ step: 1, buffer: first }).committed;
    addInline(first, 31);
    await checkpointer.save({ step: 2, buffer: first }).committed;
    const branch = inlineBuffer(options);
    await checkpointer.restore({ step: 1, buffer: branch });
    addOthers(branch, 20);
    await check("a branch holds rows of the abandoned future", branch);
    const fresh = inlineBuffer(options);
    addOthers(fresh, 40);
    await check("a new buffer holds rows of an older one", fresh);
    return wrong;
  });
}

function addOthers(buffer: InlineBuffer, count: number): void {
  for (let i = 0; i < count; i++) {
    const observation = Float32Array.of(-i, -1, -2);
    buffer.add({
      observation,
      action: -i,
      reward: 0,
      nextObservation: observation,
      terminated: false,
      truncated: false,
    });
  }
}

/** The order of what reaches the store: whatever had arrived when the writer died, every checkpoint is whole. */
export async function brokenAfterCrashOfWriter(
  plant: (store: Store) => Store,
): Promise<{ states: number; broken: string[] }> {
  const recording = withRecording(createMemoryStore());
  await withRun({ store: plant(recording) }, saveThrice);
  const broken: string[] = [];
  for (let count = 0; count <= recording.length; count++) {
    const store = await recording.replay(count);
    const { checkpoints } = await verify(store);
    broken.push(...checkpoints.flatMap(({ problems }) => problems));
  }
  return { states: recording.length + 1, broken };
}

/** Every loss of power: what was told to be durable is there, and whole. */
export async function lostInPowerFailure(
  plant: (disk: FileSystem) => FileSystem,
): Promise<{ states: number; lost: string[] }> {
  const disk = new CrashFileSystem();
  const store = createLocalStore("/run", { fileSystem: plant(disk) });
  await withRun({ store }, (checkpointer) => saveThrice(checkpointer, (step) => disk.note(String(step))));
  const lost = new Set<string>();
  let states = 0;
  for (const { notes, fileSystem } of crashStates(disk, { maxStatesPerPoint: 6 })) {
    states++;
    const { checkpoints } = await verify(createLocalStore("/run", { fileSystem }));
    for (const note of notes) {
      const found = checkpoints.find(({ step }) => step === Number(note));
      if (found === undefined) lost.add(`checkpoint ${note} is lost`);
      else if (found.problems.length > 0) lost.add(`checkpoint ${note} is damaged`);
    }
  }
  return { states, lost: [...lost] };
}

function verify(store: Store): ReturnType<typeof verifyRun> {
  return verifyRun(new Tiers(store, null), true, new AbortController().signal);
}

async function saveThrice(checkpointer: Checkpointer, onDurable?: (step: number) => void): Promise<void> {
  const buffer = windowBuffer({ prioritized: {} });
  for (let step = 1; step <= 3; step++) {
    addWindows(buffer, 30);
    await checkpointer.save({ step, buffer, state: { weights: Float32Array.of(step, 1, 2) } }).durable;
    onDurable?.(step);
  }
}
