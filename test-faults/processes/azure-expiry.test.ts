import { setTimeout as sleep } from "node:timers/promises";
import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import { afterAll, expect, it, onTestFinished } from "vitest";
import { createMemoryStore } from "../../src/store/memory.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { type SessionOfTest, sequencesIn, startSession, stateOf } from "../../test/checkpoint/session-of-test.ts";
import { type AzureCloud, startAzureCloud } from "../../test/servers/azure/azure-cloud.ts";
import { Summary } from "../../test-crash/support/summary.ts";

const REPEAT = "repeat: npm run test:faults -- test-faults/processes/azure-expiry";

const HOUR_MS = 3_600_000;
/** Of the kind that the server's clock is compared with; it counts whole seconds. */
const SOON_MS = 3_000;

const summary = new Summary("a signature of Azure that expires", "saves kept meanwhile");
afterAll(() => summary.tell());

/** The store as one reaches it who was given a signature and no key. */
function signedFor(cloud: AzureCloud, url: string, lifetimeMs: number): Promise<Store> {
  const values = {
    containerName: cloud.container,
    permissions: ContainerSASPermissions.parse("racwdl"),
    expiresOn: new Date(Date.now() + lifetimeMs),
    version: "2022-11-02",
  };
  const key = new StorageSharedKeyCredential(cloud.account, cloud.accountKey);
  const signature = generateBlobSASQueryParameters(values, key).toString();
  const endpoint = `http://127.0.0.1:${cloud.port}/${cloud.account}`;
  return openStore(url, { connectionString: `BlobEndpoint=${endpoint};SharedAccessSignature=${signature}` });
}

async function isRefused(store: Store): Promise<boolean> {
  return store.head("varve.json").then(
    () => false,
    (error: { readonly kind?: unknown }) => error.kind === "permission",
  );
}

async function settled(session: SessionOfTest, sequence: number): Promise<string[]> {
  for (let second = 0; second < 300 && session.fateOf(sequence).length < 2; second++) {
    await session.time.advance(1000);
    await sleep(10);
  }
  return session.fateOf(sequence);
}

it("azure: after a signature has expired saves go on locally, and who is given a new one sends them", async () => {
  const cloud = await startAzureCloud();
  onTestFinished(() => cloud.close());
  const url = cloud.newUrl();
  const localStore = createMemoryStore();
  const short = await signedFor(cloud, url, SOON_MS);
  const session = await startSession({ remote: short, localStore });
  expect(await settled(session, session.save())).toEqual(["durable", "committed"]);

  await expect.poll(() => isRefused(short), { timeout: 30_000, interval: 200 }).toBe(true);
  for (const save of [session.save(), session.save()]) {
    expect(await settled(session, save), REPEAT).toEqual(["durable", "commitFailed"]);
  }
  expect(session.told("degraded")).toMatchObject([
    { error: { fields: { kind: "permission" }, message: expect.stringContaining("failed to authenticate") } },
  ]);
  expect(session.status.storeStatus(0)).toMatchObject({ behind: 2, isDegraded: true });
  expect(await sequencesIn(localStore)).toEqual([1, 2, 3]);

  const renewed = await signedFor(cloud, url, HOUR_MS);
  const next = await startSession({ remote: renewed, localStore });
  await next.until(() => next.status.get("behind") === 0, "the backlog is not sent");
  await next.idle();
  expect(next.told("degraded")).toEqual([]);
  expect(await sequencesIn(renewed), REPEAT).toEqual([1, 2, 3]);
  expect(await stateOf(renewed)).toMatchObject({ isIntact: true });
  summary.add(2);
});
