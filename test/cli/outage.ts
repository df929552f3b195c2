import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { createRandom } from "../../src/base/random.ts";
import { startChaosProxy } from "../servers/chaos-proxy.ts";
import { startS3Cloud } from "../servers/s3/s3-cloud.ts";
import { folderWith, QUICK, runVarve, startVarve, temporaryFolder } from "./run-varve.ts";

interface Facts {
  readonly stateHash: string;
  readonly checkpoints: number;
  readonly checkpointsFailed: number;
  readonly blockedMs: number;
  readonly longestBlockMs: number;
}

/**
 * Trains by way of local disk to a store that fails a fifth of all requests and is away for a while in the middle, and
 * compares with the same training without any store to wait for.
 */
export async function trainThroughOutage(awayMs: number, generations: number): Promise<void> {
  const undisturbed = await runVarve(["train", "--generations", String(generations), "--json"], {
    cwd: folderWith(QUICK),
  });
  const expected = JSON.parse(undisturbed.stdout) as Facts;

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
    const args = ["train", "--generations", String(generations), "--store", store, "--local", "first", "--json"];
    const { finished, saw } = startVarve(args, { cwd: folderWith(QUICK) });
    await saw(`generation ${String(Math.floor(generations / 4)).padStart(String(generations).length)}/`);
    isAway = true;
    await sleep(awayMs);
    isAway = false;
    const { code, stdout, stderr } = await finished;
    expect([code, stderr.includes("FAILED")], stderr).toEqual([0, false]);
    const facts = JSON.parse(stdout) as Facts;
    expect(facts).toMatchObject({ stateHash: expected.stateHash, checkpoints: generations, checkpointsFailed: 0 });
    console.log(
      `blocked ${facts.blockedMs.toFixed(1)} ms in all, ${facts.longestBlockMs.toFixed(1)} ms at once; without a store ${expected.blockedMs.toFixed(1)} and ${expected.longestBlockMs.toFixed(1)}`,
    );
    await expectWhole(store.replace(String(proxy.port), String(cloud.port)), generations);
  } finally {
    await proxy.close();
    await cloud.close();
  }
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
