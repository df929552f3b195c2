import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Checkpointer, createRandom } from "../../src/index.ts";
import { strangersIn } from "../support/aftermath.ts";
import { scratchFolder } from "../support/medium.ts";
import { Summary } from "../support/summary.ts";
import { type KillMoment, type TrainEnd, trainOnce } from "../support/train-once.ts";

const CHAINS = 3;
const KILLS_A_CHAIN = Number(process.env["VARVE_KILLS"] ?? 34);
const ENDLESS = 1_000_000;

const given = process.env["VARVE_SEED"];
const firstSeed = given === undefined ? 20261128 : Number(given);
const seeds = given === undefined ? Array.from({ length: CHAINS }, (_, chain) => firstSeed + chain) : [firstSeed];
const summary = new Summary("random kills of a live trainer", "kills", firstSeed);

let folder: string;

beforeAll(async () => {
  folder = await scratchFolder("random");
});

afterAll(async () => {
  summary.tell();
  await rm(folder, { recursive: true, force: true });
});

/** Mostly around saves, now and then while the process starts, restores, or has gone on for a while. */
function drawMoment(random: ReturnType<typeof createRandom>): KillMoment {
  const kind = random.int(8);
  if (kind === 0) return { words: "", count: 0, delayMs: 50 + random.int(500) };
  if (kind === 1) return { words: "queued", count: 1, delayMs: random.int(10) };
  if (kind === 2) return { words: "generation ", count: 1 + random.int(6), delayMs: random.int(30) };
  return { words: "durable", count: 1 + random.int(5), delayMs: random.int(25) };
}

interface Found {
  readonly step: number;
  readonly sequence: number;
}

/** The newest checkpoint, as a process that comes next sees it without any manual step; all of them must be whole. */
async function lookAt(store: string, context: string): Promise<Found> {
  expect(await strangersIn(store), context).toEqual([]);
  const checkpointer = await Checkpointer.open({ store, readOnly: true });
  try {
    const report = await checkpointer.verify({ readData: true });
    expect(report, context).toMatchObject({ isIntact: true });
    return (await checkpointer.list()).at(-1) ?? { step: 0, sequence: 0 };
  } finally {
    await checkpointer.close();
  }
}

function hashOf({ code, stdout, stderr }: TrainEnd): string {
  expect(code, stderr).toBe(0);
  const { stateHash } = JSON.parse(stdout) as { stateHash: string };
  expect(stateHash).toMatch(/^[0-9a-f]{64}$/);
  return stateHash;
}

describe("random kills of a live trainer", () => {
  it.each(seeds)("seed %i: ends with the same state as a run that was never killed", async (seed) => {
    const random = createRandom(seed);
    const store = join(folder, `killed-${seed}`);
    const run = { folder, seed: 11, generations: ENDLESS };
    let found: Found = { step: 0, sequence: 0 };
    let acknowledged = 0;
    for (let kill = 0; kill < KILLS_A_CHAIN; kill++) {
      const moment = drawMoment(random);
      const repeat = `repeat: VARVE_SEED=${seed} npm run test:crash -- test-crash/kills/random`;
      const end = await trainOnce({ ...run, store, resume: found.step > 0, kill: moment });
      const context = `kill ${kill}, ${JSON.stringify(moment)}; ${repeat}; ${end.stderr.slice(-500)}`;
      expect(end.signal, context).toBe("SIGKILL");
      acknowledged = Math.max(acknowledged, end.acknowledged);
      found = await lookAt(store, context);
      expect(found.sequence, `the newest acknowledged save is lost; ${context}`).toBeGreaterThanOrEqual(acknowledged);
      summary.add(1);
    }
    expect(found.step).toBeGreaterThan(KILLS_A_CHAIN / 2);
    const generations = found.step + 2;
    const resumed = await trainOnce({ ...run, generations, store, resume: true });
    const whole = await trainOnce({ ...run, generations, store: join(folder, `whole-${seed}`), resume: false });
    expect(hashOf(resumed), `seed ${seed}`).toBe(hashOf(whole));
  });

  it.runIf(given === undefined)("were at least 100 kills", () => {
    expect(summary.count).toBeGreaterThanOrEqual(Math.min(100, CHAINS * KILLS_A_CHAIN));
  });
});
