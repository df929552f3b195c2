import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ChaosProxy, startChaosProxy } from "../servers/chaos-proxy.ts";
import { type S3Cloud, startS3Cloud } from "../servers/s3/s3-cloud.ts";
import { folderWith, QUICK, runVarve, startVarve, temporaryFolder } from "./run-varve.ts";

let cloud: S3Cloud;
let proxy: ChaosProxy;
beforeAll(async () => {
  cloud = await startS3Cloud();
  proxy = await startChaosProxy(cloud.port);
});
afterAll(async () => {
  await proxy.close();
  await cloud.close();
});

/** Trains until a checkpoint is in the store, which then stands still for ever. */
async function trainToStandstill(args: readonly string[], generations = 100_000) {
  proxy.always(null);
  const place = cloud.newUrl();
  const store = (port: number) => `${place}?endpoint=http://127.0.0.1:${port}&region=us-east-1&forcePathStyle=true`;
  const cwd = folderWith(QUICK);
  const flags = ["--generations", String(generations), "--save-every", "5", "--stop-within", "2", "--json"];
  const run = startVarve(["train", "--store", store(proxy.port), ...flags, ...args], { cwd });
  await run.saw("save 1 durable");
  proxy.always(() => ({ kind: "request stalled", atByte: 0 }));
  return { ...run, cwd, direct: store(cloud.port) };
}

async function stepsIn(store: string): Promise<number[]> {
  const { stdout } = await runVarve(["list", store, "--json"], { cwd: temporaryFolder() });
  return (JSON.parse(stdout) as { step: number }[]).map(({ step }) => step);
}

describe("a run whose store stands still", () => {
  test.each([
    ["SIGTERM", 75],
    ["SIGINT", 130],
  ] as const)(
    "ends after %s with %i when the time is up, and names every save that was not made",
    async (signal, exit) => {
      const { child, finished, direct } = await trainToStandstill([]);
      child.kill(signal);
      const { code, stdout, stderr } = await finished;
      expect(code, stderr).toBe(exit);
      const facts = JSON.parse(stdout) as { generations: number; checkpoints: number; checkpointsFailed: number };
      const failed = [...stderr.matchAll(/save (\d+) \(step (\d+)\) FAILED/g)].map(([, sequence]) => sequence);
      expect(failed.length).toBe(facts.checkpointsFailed);
      expect(failed.length).toBeGreaterThan(0);
      expect(new Set(failed).size).toBe(failed.length);
      expect(stderr).toContain("Go on with: varve train --resume");
      expect((await stepsIn(direct)).length).toBe(facts.checkpoints);
    },
  );

  test("has every checkpoint on local disk when it ends in time, and says what the store lacks", async () => {
    const { child, finished, cwd, direct } = await trainToStandstill(["--local", "first"]);
    child.kill("SIGTERM");
    const { code, stdout, stderr } = await finished;
    expect(code, stderr).toBe(75);
    const facts = JSON.parse(stdout) as { generations: number; checkpoints: number; checkpointsFailed: number };
    expect(facts.checkpointsFailed).toBe(0);
    const local = await runVarve(["list", "first", "--json"], { cwd });
    const steps = (JSON.parse(local.stdout) as { step: number }[]).map(({ step }) => step);
    expect([steps.length, steps.at(-1)]).toEqual([facts.checkpoints, facts.generations]);
    expect(stderr).toContain("varve sync file:");
    expect((await stepsIn(direct)).length).toBeLessThan(steps.length);
  });

  test("ends in time when the signal comes while its last saves are waited for", async () => {
    const { child, finished, saw } = await trainToStandstill([], 120);
    await saw("background save");
    child.kill("SIGTERM");
    const { code, stderr } = await finished;
    expect(code, stderr).toBe(75);
    expect(stderr).toMatch(/save \d+ \(step 120\) FAILED/);
  });

  test("ends at once at the second signal, though saves are under way", async () => {
    const { child, finished, saw } = await trainToStandstill(["--stop-within", "3600"]);
    child.kill("SIGTERM");
    await saw("background save");
    child.kill("SIGTERM");
    const { code, stderr } = await finished;
    expect(code, stderr).toBe(143);
    // Each save that is lost is named once, whether its end or that of the process told it.
    const lost = [...stderr.matchAll(/save (\d+) \(step \d+\) FAILED/g)].map(([, sequence]) => sequence);
    expect(lost.length).toBeGreaterThan(0);
    expect(new Set(lost).size).toBe(lost.length);
  });
});
