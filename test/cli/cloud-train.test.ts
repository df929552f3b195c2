import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startAzureCloud } from "../servers/azure/azure-cloud.ts";
import { startGcsCloud } from "../servers/gcs/gcs-cloud.ts";
import { type S3Cloud, startS3Cloud } from "../servers/s3/s3-cloud.ts";
import { trainThroughOutage } from "./outage.ts";
import { folderWith, QUICK, runVarve, temporaryFolder } from "./run-varve.ts";

interface Facts {
  readonly stateHash: string;
  readonly store: string;
  readonly local: string | null;
  readonly resumedFrom: number | null;
}

let cloud: S3Cloud;
beforeAll(async () => {
  cloud = await startS3Cloud();
});
afterAll(() => cloud.close());

async function train(cwd: string, env: Readonly<Record<string, string>>, ...args: string[]) {
  const { code, stdout, stderr } = await runVarve(["train", ...args, "--json"], { cwd, env });
  expect(code, stderr).toBe(0);
  return { ...(JSON.parse(stdout) as Facts), stderr };
}

const withEndpoint = (): Readonly<Record<string, string>> => ({
  AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${cloud.port}`,
  AWS_REGION: "us-east-1",
});

describe("a run in a cloud", () => {
  test("is trained straight to it, and goes on exactly on a machine that has nothing", async () => {
    const onDisk = await train(folderWith(QUICK), {}, "--generations", "4");
    const store = cloud.newUrl();
    const first = folderWith(QUICK);
    await train(first, withEndpoint(), "--generations", "2", "--store", store);
    expect(existsSync(join(first, "runs"))).toBe(false);
    const resumed = await train(temporaryFolder(), withEndpoint(), "--resume", "--store", store, "--generations", "4");
    expect(resumed).toMatchObject({ stateHash: onDisk.stateHash, resumedFrom: 2, store, local: null });
    expect(resumed.stderr).toMatch(/Upload status: \d+ pending, \d+ completed, 0 failed/);
  });

  test("is trained to GCS by its URL, and goes on exactly on a machine that has nothing", async () => {
    const gcs = await startGcsCloud();
    onTestFinished(() => gcs.close());
    const store = `${gcs.newUrl()}?endpoint=http://127.0.0.1:${gcs.port}`;
    const onDisk = await train(folderWith(QUICK), {}, "--generations", "2");
    await train(folderWith(QUICK), {}, "--generations", "1", "--store", store);
    const resumed = await train(temporaryFolder(), {}, "--resume", "--store", store, "--generations", "2");
    expect(resumed).toMatchObject({ stateHash: onDisk.stateHash, resumedFrom: 1, local: null });
  });

  test("is trained to Azure by its connection string, and goes on exactly on a machine that has nothing", async () => {
    const azure = await startAzureCloud();
    onTestFinished(() => azure.close());
    const { connectionString } = azure.options();
    const [, account, container] = /^az:\/\/([^/]+)\/([^/]+)/.exec(azure.newUrl()) ?? [];
    const env = {
      ...{ CLOUD_PROVIDER: "azure", CLOUD_BUCKET: `${container}`, CLOUD_PROJECT: "project" },
      AZURE_STORAGE_CONNECTION_STRING: String(connectionString),
    };
    const onDisk = await train(folderWith(QUICK), {}, "--generations", "2");
    const first = await train(folderWith(QUICK), env, "--generations", "1");
    expect(first.store).toBe(`az://${account}/${container}/project/runs/pendulum-001`);
    const resumed = await train(folderWith(QUICK), env, "--resume", "--generations", "2");
    expect(resumed).toMatchObject({ stateHash: onDisk.stateHash, resumedFrom: 1, store: first.store });
  });

  test("is named by CLOUD_PROVIDER and its companions, found by them again, and never overwritten", async () => {
    const project = `project-${Math.floor(cloud.requests.get("put") ?? 0)}`;
    const env = { ...withEndpoint(), CLOUD_PROVIDER: "s3", CLOUD_BUCKET: cloud.bucket, CLOUD_PROJECT: project };
    const machine = folderWith(QUICK);
    const first = await train(machine, env, "--generations", "2");
    expect(first).toMatchObject({
      store: `s3://${cloud.bucket}/${project}/runs/pendulum-001`,
      local: "runs/pendulum-001",
    });
    rmSync(join(machine, "runs"), { recursive: true });
    const second = await train(machine, env, "--generations", "1");
    expect(second.store).toBe(`s3://${cloud.bucket}/${project}/runs/pendulum-002`);
    const other = folderWith(QUICK);
    const resumed = await train(other, env, "--resume", "--generations", "2");
    expect(resumed).toMatchObject({ resumedFrom: 1, store: second.store, local: "runs/pendulum-002" });
    // The same seed: a run of two generations ends where the other did.
    expect(resumed.stateHash).toBe(first.stateHash);
    expect(existsSync(join(other, "runs", "pendulum-002", "checkpoints"))).toBe(true);
  });

  test("ends with a code of its own where the store did not take what local disk has", async () => {
    const denying = await startS3Cloud();
    denying.onRequest = ({ kind, key }) => (kind === "put" && key.includes("/packs/") ? { status: 403 } : null);
    const env = { ...withEndpoint(), AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${denying.port}` };
    const args = ["train", "--generations", "2", "--store", denying.newUrl(), "--local", "first"];
    const { code, stdout, stderr } = await runVarve(args, { cwd: folderWith(QUICK), env });
    await denying.close();
    expect([code, stdout]).toEqual([5, expect.stringContaining("2 succeeded, 0 failed, 2 not in the store yet")]);
    expect(stderr).toContain("varve sync");
  });

  test("is refused where a provider has no bucket", async () => {
    const { code, stderr } = await runVarve(["train"], { cwd: folderWith(QUICK), env: { CLOUD_PROVIDER: "gcs" } });
    expect(code).not.toBe(0);
    expect(stderr).toContain("bucket");
  });
});

test("a store that fails a fifth of all requests and goes away for a while holds every checkpoint in the end", async () => {
  // So that training goes on when it is seen to: a generation of QUICK takes a millisecond.
  const config = { ...QUICK, hiddenSizes: [64, 64], learner: { batchSize: 64, stepsPerGeneration: 300 } };
  const settings = { awayMs: 3000, generations: 24, generationsAway: 10, config };
  const { undisturbed, disturbed, awayMs } = await trainThroughOutage(settings);
  const away = disturbed.endsMs.filter((endMs) => endMs > awayMs[0] && endMs < awayMs[1]);
  expect(away.length, "no generation ended while the store was away").toBeGreaterThan(0);
  // Of such a short run much is its beginning and its end.
  expect(disturbed.threadMs / undisturbed.threadMs).toBeLessThan(2);
}, 120_000);
