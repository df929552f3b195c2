import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { createRandom } from "../../src/base/random.ts";
import { readRecords } from "../../src/record/read-records.ts";
import { startChaosProxy } from "../servers/chaos-proxy.ts";
import { startS3Cloud } from "../servers/s3/s3-cloud.ts";
import { type Finished, folderWith, QUICK, runVarve, startVarve, temporaryFolder } from "./run-varve.ts";

interface Facts {
  readonly stateHash: string;
  readonly checkpoints: number;
  readonly checkpointsFailed: number;
  readonly blockedMs: number;
  readonly longestBlockMs: number;
  /** For how long the training thread ran. */
  readonly threadMs: number;
  /** When each generation ended, in ms since 1970. */
  readonly endsMs: readonly number[];
}

export interface OutageOptions {
  /** At least: the store stays away until training has got further. */
  readonly awayMs: number;
  readonly generations: number;
  /** So many generations have to end while the store is away. */
  readonly generationsAway: number;
  readonly config?: object;
}

/** What training did, with the store of the test and without any to wait for. */
export interface TrainedThroughOutage {
  readonly disturbed: Facts;
  readonly undisturbed: Facts;
  /** Whether training went on when the store came back. */
  readonly outlastedOutage: boolean;
  /** When the store went away and when it came back, in ms since 1970. */
  readonly awayMs: readonly [from: number, to: number];
}

/**
 * Trains by way of local disk to a store that fails a fifth of all requests and is away for a while in the middle, and
 * compares with the same training without any store to wait for. Where training waits for the store, it never ends: the
 * store waits for some generations.
 */
export async function trainThroughOutage({
  awayMs,
  generations,
  generationsAway,
  config = QUICK,
}: OutageOptions): Promise<TrainedThroughOutage> {
  const args = ["train", "--generations", String(generations), "--json"];
  const control = folderWith(config);
  const alone = await runVarve([...args, "--store", "alone"], { cwd: control, env: TELLS_THREAD_TIME });
  const undisturbed = await factsOf(alone, join(control, "alone"));
  const cloud = await startS3Cloud();
  const proxy = await startChaosProxy(cloud.port);
  const random = createRandom(7);
  let isAway = false;
  proxy.always(() => {
    if (isAway) return { kind: "refused" };
    return random.uniform() < 0.2 ? { kind: "status", status: 503 } : null;
  });
  try {
    const store = `${cloud.newUrl()}?endpoint=http://127.0.0.1:${proxy.port}&region=us-east-1&forcePathStyle=true`;
    const cwd = folderWith(config);
    const { finished, saw, hasSeen } = startVarve([...args, "--store", store, "--local", "first"], {
      cwd,
      env: TELLS_THREAD_TIME,
    });
    const named = (generation: number): string =>
      `generation ${String(generation).padStart(String(generations).length)}/`;
    const before = Math.floor(generations / 4);
    await saw(named(before));
    isAway = true;
    const fromMs = Date.now();
    await Promise.all([sleep(awayMs), saw(named(before + generationsAway))]);
    isAway = false;
    const toMs = Date.now();
    const outlastedOutage = !hasSeen(named(generations));
    const ended = await finished;
    expect([ended.code, ended.stderr.includes("FAILED")], ended.stderr).toEqual([0, false]);
    const disturbed = await factsOf(ended, join(cwd, "first"));
    const { stateHash } = undisturbed;
    expect(disturbed).toMatchObject({ stateHash, checkpoints: generations, checkpointsFailed: 0 });
    await expectWhole(store.replace(String(proxy.port), String(cloud.port)), generations);
    return { disturbed, undisturbed, outlastedOutage, awayMs: [fromMs, toMs] };
  } finally {
    await proxy.close();
    await cloud.close();
  }
}

/** At its end the process says for how long its first thread ran. */
const TELLS_THREAD_TIME = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(
    "import { isMainThread } from 'node:worker_threads';" +
      "if (isMainThread) process.on('exit', () => {" +
      "  const { user, system } = process.threadCpuUsage();" +
      "  process.stderr.write('thread ran ' + (user + system) + ' us');" +
      "});",
  )}`,
};

/** @param run - the folder of the run, with its log */
async function factsOf({ stdout, stderr }: Finished, run: string): Promise<Facts> {
  const threadMs = Number(/thread ran (\d+) us/.exec(stderr)?.[1]) / 1000;
  const batches = await Array.fromAsync(readRecords(join(run, "logs", "metrics.jsonl")));
  const records = batches.flatMap((batch) => batch.records);
  const endsMs = records.flatMap((record) => (record.event === "generation" ? record.atMs : []));
  return { ...(JSON.parse(stdout) as Facts), threadMs, endsMs };
}

/** Every checkpoint is in the store, and from the store alone a machine with nothing on it goes on. */
async function expectWhole(store: string, generations: number): Promise<void> {
  const cwd = temporaryFolder();
  const verified = await runVarve(["verify", store, "--json"], { cwd });
  expect(JSON.parse(verified.stdout)).toMatchObject({ isIntact: true, checkpoints: { length: generations } });
  const more = ["train", "--resume", "--store", store, "--generations", String(generations + 1), "--json"];
  const { code, stdout } = await runVarve(more, { cwd });
  expect([code, (JSON.parse(stdout) as { resumedFrom: number }).resumedFrom]).toEqual([0, generations]);
}
