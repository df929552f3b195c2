import { cp, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { forEachConcurrently } from "../../src/base/concurrency.ts";
import { Checkpointer, isVarveError, stateHash } from "../../src/index.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { nodeFileSystem } from "../../src/store/node-file-system.ts";
import { describeFileCall, type FileCall } from "../../src/testing/intercept-file-system.ts";
import { useCompileCache } from "../../test-crash/support/compile-cache.ts";
import { scratchFolder } from "../../test-crash/support/medium.ts";
import { type CrashBuffer, createCrashBuffer, hashAt, stateAt, trainTo } from "../../test-crash/support/run-content.ts";
import { Summary } from "../../test-crash/support/summary.ts";
import { canMeet, createFaultyDisk, FAULTS, type FaultyDisk, type FileFault } from "./faulty-disk.ts";

const OPTIONS = { keepLast: 2, gracePeriodMs: 0 } as const;
/** More than any save, prune or resume makes. */
const MOST_CALLS = 500;
const POINTS_AT_ONCE = 4;

const [onlyPhase, onlyFault, onlyNumber] = (process.env["VARVE_POINT"] ?? "").split(":");
const isWhole = onlyPhase === "";
const summary = new Summary("single faults of every file call", "faults");
let root: string;

beforeAll(async () => {
  useCompileCache();
  root = await scratchFolder("faults");
});

afterAll(async () => {
  summary.tell();
  await rm(root, { recursive: true, force: true });
});

/** A process that trains on a disk that fails when told to. */
class Trainer {
  readonly disk: FaultyDisk = createFaultyDisk(nodeFileSystem);
  readonly #folder: string;
  #checkpointer: Checkpointer | null = null;
  buffer: CrashBuffer = createCrashBuffer();
  step = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async open(): Promise<Checkpointer> {
    const store = createLocalStore(this.#folder, { fileSystem: this.disk.fileSystem });
    this.#checkpointer ??= await Checkpointer.open({ store, ...OPTIONS });
    return this.#checkpointer;
  }

  async restore(): Promise<void> {
    const restored = await (await this.open()).restore({ buffer: this.buffer, overwrite: true });
    this.step = restored?.step ?? 0;
    if (restored !== null && stateHash({ buffer: this.buffer, state: restored.state }) !== hashAt(this.step))
      throw new Error(`step ${this.step} was restored wrong`);
  }

  async save(): Promise<void> {
    trainTo(this.buffer, ++this.step);
    await (await this.open()).save({ step: this.step, buffer: this.buffer, state: stateAt(this.step) }).durable;
  }

  async prune(): Promise<void> {
    await (await this.open()).prune({ takeOver: true });
  }

  async close(): Promise<void> {
    await this.#checkpointer?.close();
  }
}

interface Phase {
  /** Everything of it is met by the fault. */
  readonly work: readonly ("restore" | "save" | "prune")[];
  readonly start: (folder: string, base: string) => Promise<Trainer>;
}

async function trainerOnCopy(folder: string, base: string): Promise<Trainer> {
  await cp(base, folder, { recursive: true });
  return new Trainer(folder);
}

const PHASES: Readonly<Record<string, Phase>> = {
  init: { work: ["save", "prune"], start: async (folder) => new Trainer(folder) },
  resume: { work: ["restore", "save", "prune"], start: trainerOnCopy },
};

/** What is wrong with how a call ended that met a failing file call. */
function problemsOfError(error: unknown, fault: FileFault, folder: string): string[] {
  if (!isVarveError(error)) return [`an untyped error: ${String(error)}`];
  const problems = error.message.includes(folder) ? [] : [`no path in "${error.message}"`];
  return error.message.includes(fault) ? problems : [...problems, `no ${fault} in "${error.message}"`];
}

async function litterIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.filter((name) => name.includes(".tmp-"));
}

/** What is wrong with a run after a fault; the next save must go well without anything being done. */
async function problemsOfNextSave(trainer: Trainer): Promise<string[]> {
  const problems: string[] = [];
  await trainer.save().catch((error: unknown) => problems.push(`the next save fails: ${String(error)}`));
  const report = await (await trainer.open()).verify({ readData: true });
  if (!report.isIntact) problems.push(`damaged: ${JSON.stringify(report.checkpoints)}`);
  const step = trainer.step;
  await trainer.restore().catch((error: unknown) => problems.push(String(error)));
  if (step !== trainer.step) problems.push(`the newest is ${trainer.step}, saved was ${step}`);
  return problems;
}

interface Tried {
  readonly problems: readonly string[];
  /** The failing call, in words; null when there were fewer calls than that. */
  readonly failed: string | null;
}

async function tryFault(
  trainer: Trainer,
  folder: string,
  work: Phase["work"],
  number: number,
  fault: FileFault,
): Promise<Tried> {
  const problems: string[] = [];
  // What could not be removed earlier stays until the next process.
  const older = new Set(await litterIn(folder));
  trainer.disk.arm(number, fault);
  for (const what of work) {
    const error: unknown = await trainer[what]().then(
      () => null,
      (failure: unknown) => failure,
    );
    if (error !== null) problems.push(...problemsOfError(error, fault, folder).map((problem) => `${what}: ${problem}`));
    // A restore that failed left nothing to go on from: whoever trains asks again.
    if (error !== null && what === "restore") await trainer.restore();
  }
  const failed = trainer.disk.disarm();
  const litter = (await litterIn(folder)).filter((name) => !older.has(name));
  if (failed?.operation !== "unlink") problems.push(...litter.map((name) => `${name} stays`));
  problems.push(...trainer.disk.repeatedSyncs.map((name) => `${name} was synced again after a failed fsync`));
  if (failed !== null) problems.push(...(await problemsOfNextSave(trainer)));
  return { problems, failed: failed === null ? null : describeFileCall(failed) };
}

async function sweep(phase: string, fault: FileFault): Promise<string[]> {
  const { work, start } = PHASES[phase] as Phase;
  const base = await baseRun();
  const problems: string[] = [];
  const calls = await callsIn(phase, base);
  const numbers = [...calls.keys()].filter((number) => canMeet(calls[number] as FileCall, fault));
  const wanted = isWhole ? numbers : numbers.filter((number) => String(number) === onlyNumber);
  // Most of the time is pauses before a second try.
  await forEachConcurrently(wanted, POINTS_AT_ONCE, async (number) => {
    const folder = join(root, `${phase}-${fault}-${number}`);
    const trainer = await start(folder, base);
    const tried = await tryFault(trainer, folder, work, number, fault);
    await trainer.close();
    await rm(folder, { recursive: true, force: true });
    if (tried.failed !== null) summary.add(1);
    const repeat = `repeat: VARVE_POINT=${phase}:${fault}:${number} npm run test:faults -- test-faults/files/each-call`;
    problems.push(...tried.problems.map((problem) => `${fault} at ${number}, ${tried.failed}: ${problem}; ${repeat}`));
  });
  return problems;
}

async function callsIn(phase: string, base: string): Promise<readonly FileCall[]> {
  const { work, start } = PHASES[phase] as Phase;
  const folder = join(root, `${phase}-calls`);
  const trainer = await start(folder, base);
  trainer.disk.arm(Number.POSITIVE_INFINITY, "EIO");
  for (const what of work) await trainer[what]();
  const calls = [...trainer.disk.calls];
  await trainer.close();
  await rm(folder, { recursive: true, force: true });
  expect(calls.length).toBeLessThan(MOST_CALLS);
  console.log(`${phase}: ${calls.length} file calls`);
  return calls;
}

async function baseRun(): Promise<string> {
  const folder = join(root, "base");
  if ((await mkdir(folder, { recursive: true })) === undefined) return folder;
  const trainer = new Trainer(folder);
  for (let step = 1; step <= 2; step++) await trainer.save();
  await trainer.close();
  return folder;
}

const cases = Object.keys(PHASES).flatMap((phase) => FAULTS.map((fault): [string, FileFault] => [phase, fault]));

describe("one failing file call of a whole run", () => {
  it.each(cases)("%s, %s: a typed error at most, no litter, and the next save goes well", async (phase, fault) => {
    if (!isWhole && (phase !== onlyPhase || fault !== onlyFault)) return;
    expect(await sweep(phase, fault)).toEqual([]);
  });

  it("with every fault in turn in one process that goes on", async () => {
    const folder = join(root, "long");
    const trainer = new Trainer(folder);
    await trainer.save();
    const problems: string[] = [];
    for (const fault of isWhole ? FAULTS : []) {
      await tryFault(trainer, folder, ["save", "prune"], Number.POSITIVE_INFINITY, fault);
      const usual = [...trainer.disk.calls];
      for (const [number, call] of usual.entries()) {
        if (!canMeet(call, fault)) continue;
        const tried = await tryFault(trainer, folder, ["save", "prune"], number, fault);
        if (tried.failed !== null) summary.add(1);
        const repeat = 'repeat: npm run test:faults -- test-faults/files/each-call -t "goes on"';
        problems.push(
          ...tried.problems.map((problem) => `${fault} at ${number}, ${tried.failed}: ${problem}; ${repeat}`),
        );
      }
    }
    await trainer.close();
    expect(problems).toEqual([]);
  });

  it("were at least 500 faults", () => {
    // One that was chosen and that there is not would pass without a word.
    expect(summary.count).toBeGreaterThanOrEqual(isWhole ? 500 : 1);
  });
});
