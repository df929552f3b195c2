import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { StoreError, type StoreErrorKind } from "../../src/errors.ts";
import { type DoctorReport, diagnoseStore, openStore, type Store } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { type Fault, type StoreMethod, withFaults } from "../../src/testing/index.ts";
import { type AzureCloud, connectionString, startAzureCloud } from "../servers/azure/azure-cloud.ts";
import { startGcsCloud } from "../servers/gcs/gcs-cloud.ts";
import { startS3Cloud } from "../servers/s3/s3-cloud.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const SMALL = { bigObjectBytes: 100_000 };

/** A store of which some verbs behave otherwise. */
function altered(inner: Store, changes: Partial<Store>): Store {
  return {
    url: inner.url,
    traits: inner.traits,
    put: (name, bytes, options) => inner.put(name, bytes, options),
    get: (name, options) => inner.get(name, options),
    head: (name, options) => inner.head(name, options),
    list: (prefix, options) => inner.list(prefix, options),
    delete: (name, options) => inner.delete(name, options),
    ...changes,
  };
}

async function allNames(store: Store): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list("")) names.push(name);
  return names;
}

const outcomes = ({ checks }: DoctorReport) => Object.fromEntries(checks.map(({ name, outcome }) => [name, outcome]));
const failing = ({ checks }: DoctorReport) =>
  checks.filter(({ outcome }) => outcome === "failed").map(({ name }) => name);
const hintOf = ({ checks }: DoctorReport, name: string) => checks.find((check) => check.name === name)?.hint;
const always = Number.POSITIVE_INFINITY;

function refusal(method: StoreMethod, kind: StoreErrorKind = "permission"): Fault {
  const error = (verb: string, name: string) => new StoreError(kind, verb, name, "HTTP 403");
  return { kind: "reject", method, times: always, error };
}

describe("diagnoseStore on a store that is right", () => {
  it("finds memory good, tells every check, and leaves nothing", async () => {
    const store = createMemoryStore();
    await store.put("varve.json", new Uint8Array(3));
    const told: string[] = [];
    const report = await diagnoseStore(store, { ...SMALL, onCheck: ({ name }) => told.push(name) });
    expect(report).toMatchObject({ store: store.url, isGood: true, verdict: expect.stringMatching(/^Good: memory:/) });
    expect(told).toEqual(report.checks.map(({ name }) => name));
    expect(outcomes(report)).toMatchObject({ write: "ok", race: "ok", listing: "ok", clock: "ok", pieces: "skipped" });
    expect(report.measured.uploadBytesPerSecond).toBeGreaterThan(0);
    expect(report.measured.getMs).toBeGreaterThan(0);
    expect(await allNames(store)).toEqual(["varve.json"]);
  });

  it("leaves a folder as it was: with what was in it, or not there at all", async () => {
    const folder = await temporaryFolder();
    const fresh = join(folder, "fresh");
    expect(await diagnoseStore(fresh, SMALL)).toMatchObject({ isGood: true });
    expect(await readdir(folder)).toEqual([]);
    const own = join(folder, "own");
    await mkdir(join(own, "doctor"), { recursive: true });
    await writeFile(join(own, "doctor", "notes"), "mine");
    expect(await diagnoseStore(own, SMALL)).toMatchObject({ isGood: true });
    expect(await readdir(own, { recursive: true })).toEqual(["doctor", join("doctor", "notes")]);
  });

  it("refuses what is no store before anything is done", async () => {
    await expect(diagnoseStore("ftp://host/run")).rejects.toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
  });
});

describe("diagnoseStore on Azure", () => {
  let cloud: AzureCloud;
  beforeAll(async () => {
    cloud = await startAzureCloud();
  });
  afterAll(() => cloud.close());

  it("tries checksums and pieces too, and leaves neither a blob nor a block", async () => {
    const report = await diagnoseStore(cloud.newUrl(), { ...SMALL, storeOptions: cloud.options() });
    expect([failing(report), report.isGood]).toEqual([[], true]);
    expect(outcomes(report)).toMatchObject({ "wrong-checksum": "ok", pieces: "ok", clock: "ok", "clean-up": "ok" });
    const left: string[] = [];
    for await (const { name } of cloud.inside.listBlobsFlat({ includeUncommitedBlobs: true })) left.push(name);
    expect(left).toEqual([]);
  });

  it("tells a missing container, and a key that is refused, without showing the key", async () => {
    const missing = await diagnoseStore(`az://${cloud.account}/no-container/run`, { storeOptions: cloud.options() });
    expect(failing(missing)).toEqual(["write", "absent", "list", "delete"]);
    expect(hintOf(missing, "write")).toMatch(/bucket is not there/);
    const wrongKey = Buffer.from("canary in a key").toString("base64");
    const storeOptions = { connectionString: connectionString(cloud.port, wrongKey) };
    const refused = await diagnoseStore(cloud.newUrl(), { storeOptions });
    expect(refused.isGood).toBe(false);
    expect(hintOf(refused, "list")).toMatch(/Storage Blob Data Contributor.*key is wrong/);
    expect(inspect(refused, { depth: 9 })).not.toContain(wrongKey);
  });
});

describe("diagnoseStore on S3", () => {
  it("tries checksums and pieces too, and leaves neither an object nor a part", async () => {
    const cloud = await startS3Cloud();
    onTestFinished(() => cloud.close());
    const report = await diagnoseStore(cloud.newUrl(), { ...SMALL, storeOptions: cloud.options() });
    expect([failing(report), report.isGood]).toEqual([[], true]);
    expect(outcomes(report)).toMatchObject({ "wrong-checksum": "ok", pieces: "ok" });
    expect([cloud.objects.size, cloud.uploads.size]).toEqual([0, 0]);
  });

  it("refuses a server that ignores If-None-Match, whatever its store makes of that, and leaves nothing", async () => {
    const cloud = await startS3Cloud({ ignoresConditions: true });
    onTestFinished(() => cloud.close());
    for (const exclusive of [false, true]) {
      const storeOptions = { ...cloud.options(), exclusive };
      const report = await diagnoseStore(cloud.newUrl(), { ...SMALL, storeOptions });
      expect(failing(report)).toEqual(["create-if-absent"]);
      expect(report.verdict).toMatch(/^Refused for shared writing/);
    }
    expect(cloud.objects.size).toBe(0);
  });

  it("says which right is missing where S3 only says that access is denied", async () => {
    const cloud = await startS3Cloud();
    onTestFinished(() => cloud.close());
    const denied = { status: 403, body: "<Error><Code>AccessDenied</Code></Error>" };
    cloud.onRequest = ({ kind }) => (kind === "list" || kind === "createUpload" ? denied : null);
    const report = await diagnoseStore(await openStore(cloud.newUrl(), cloud.options()), SMALL);
    expect(failing(report)).toEqual(["list", "pieces"]);
    expect(hintOf(report, "list")).toMatch(/^It needs s3:ListBucket\./);
    expect(hintOf(report, "pieces")).toMatch(/s3:AbortMultipartUpload, s3:ListMultipartUploadParts and/);
  });

  it("tries whether uploads that somebody has begun can be looked for", async () => {
    const cloud = await startS3Cloud();
    onTestFinished(() => cloud.close());
    const denied = { status: 403, body: "<Error><Code>AccessDenied</Code></Error>" };
    cloud.onRequest = ({ kind }) => (kind === "listUploads" ? denied : null);
    const report = await diagnoseStore(await openStore(cloud.newUrl(), cloud.options()), SMALL);
    expect(failing(report)).toEqual(["pieces"]);
    expect(hintOf(report, "pieces")).toMatch(/s3:ListBucketMultipartUploads/);
  });
});

describe("diagnoseStore on GCS", () => {
  it("tries checksums and pieces too, and leaves no object", async () => {
    const cloud = await startGcsCloud();
    onTestFinished(() => cloud.close());
    const report = await diagnoseStore(cloud.newUrl(), { ...SMALL, storeOptions: cloud.options() });
    expect([failing(report), report.isGood]).toEqual([[], true]);
    expect(outcomes(report)).toMatchObject({ "wrong-checksum": "ok", pieces: "ok" });
    expect(cloud.objects.size).toBe(0);
  });

  it("refuses a server that ignores ifGenerationMatch, and leaves nothing", async () => {
    const cloud = await startGcsCloud({ ignoresConditions: true });
    onTestFinished(() => cloud.close());
    const report = await diagnoseStore(cloud.newUrl(), { ...SMALL, storeOptions: cloud.options() });
    expect(failing(report)).toEqual(["create-if-absent"]);
    expect([report.verdict, cloud.objects.size]).toEqual([expect.stringMatching(/^Refused for shared writing/), 0]);
  });
});

describe("diagnoseStore on a store that is not right", () => {
  it("refuses one that ignores create-if-absent for shared writing", async () => {
    const memory = createMemoryStore();
    const store = altered(memory, { put: (name, bytes) => memory.put(name, bytes) });
    const report = await diagnoseStore(store, SMALL);
    expect(report).toMatchObject({ isGood: false, verdict: expect.stringMatching(/^Refused for shared writing/) });
    expect(outcomes(report)).toMatchObject({ "create-if-absent": "failed", race: "skipped", listing: "ok" });
    expect(await allNames(memory)).toEqual([]);
  });

  it("refuses one that looks before it creates: right one after another, wrong in a race", async () => {
    const memory = createMemoryStore();
    const store = altered(memory, {
      put: async (name, bytes, { ifAbsent } = {}) =>
        ifAbsent && (await memory.head(name)) !== null ? false : memory.put(name, bytes),
    });
    const report = await diagnoseStore(store, SMALL);
    expect(failing(report)).toEqual(["race"]);
    expect(report.verdict).toMatch(/^Refused for shared writing/);
  });

  it.each<[string, StoreMethod, string[], string, RegExp]>([
    ["gs://bucket/run", "put", ["write"], "write", /storage\.objects\.create\./],
    ["gs://bucket/run", "delete", ["delete", "clean-up"], "delete", /storage\.objects\.delete\./],
    ["s3://bucket/run", "get", ["read", "absent"], "read", /s3:GetObject/],
    ["s3://bucket/run", "list", ["list"], "list", /s3:ListBucket/],
    ["az://acct/box/run", "put", ["write"], "write", /Storage Blob Data Contributor/],
  ])("%s without the right to %s: says which, and tries the other verbs", async (url, method, expected, name, hint) => {
    const store = altered(withFaults(createMemoryStore(), [refusal(method)]), { url });
    const report = await diagnoseStore(store, SMALL);
    expect(
      failing(report).filter((check) =>
        ["write", "read", "absent", "list", "overwrite", "delete", "clean-up"].includes(check),
      ),
    ).toEqual(expected);
    expect(hintOf(report, name)).toMatch(hint);
    expect(report.verdict).toMatch(new RegExp(`^Not fit.*${expected[0]}`));
  });

  it("names what it could not remove", async () => {
    const memory = createMemoryStore();
    const report = await diagnoseStore(withFaults(memory, [refusal("delete")]), SMALL);
    const left = await allNames(memory);
    expect(left.length).toBeGreaterThan(0);
    const prefix = left[0]?.split("/").slice(0, 2).join("/") ?? "none";
    expect(hintOf(report, "clean-up")).toContain(`${prefix}/`);
  });

  it.each<[string, Fault, string[]]>([
    ["damage on the way up", { kind: "wrong-bytes", method: "put", name: /bytes$/ }, ["checksum"]],
    ["damage on the way down", { kind: "wrong-bytes", method: "get", name: /big$/ }, ["throughput"]],
    ["a range that is wrong", { kind: "wrong-bytes", method: "get", name: /digits$/, after: 2 }, ["ranges"]],
    ["a busy moment", { kind: "reject", method: "put", name: /latency/ }, ["latency"]],
  ])("finds %s", async (_, fault, expected) => {
    const memory = createMemoryStore();
    const report = await diagnoseStore(withFaults(memory, [fault]), SMALL);
    expect(failing(report)).toEqual(expected);
    expect(report).toMatchObject({ isGood: false, verdict: expect.stringContaining(expected[0] as string) });
    expect(await allNames(memory)).toEqual([]);
  });

  it("finds a listing that lags, and one out of order", async () => {
    const memory = createMemoryStore();
    const seen = new Set<string>();
    const lagging = altered(memory, {
      list: async function* (prefix) {
        const isSlow = prefix.includes("/list/");
        for await (const info of memory.list(prefix)) if (!isSlow || seen.has(info.name)) yield info;
        for await (const { name } of memory.list("")) seen.add(name);
      },
    });
    expect(failing(await diagnoseStore(lagging, SMALL))).toEqual(["listing"]);
    const reversed = altered(memory, {
      list: async function* (prefix) {
        yield* (await Array.fromAsync(memory.list(prefix))).toReversed();
      },
    });
    expect(failing(await diagnoseStore(reversed, SMALL))).toEqual(["listing"]);
  });

  it("finds a listing whose sizes are wrong", async () => {
    const memory = createMemoryStore();
    const store = altered(memory, {
      list: async function* (prefix) {
        for await (const info of memory.list(prefix)) yield { ...info, sizeBytes: info.sizeBytes + 1 };
      },
    });
    expect(failing(await diagnoseStore(store, SMALL))).toEqual(["listing"]);
  });

  it("finds deletes and overwrites that are seen late", async () => {
    const memory = createMemoryStore();
    const late = altered(memory, { delete: async () => undefined });
    expect(failing(await diagnoseStore(late, SMALL))).toEqual(["read-after-delete"]);
    const other = createMemoryStore();
    const stale = new Map<string, Uint8Array>();
    const cached = altered(other, {
      get: async (name, options) => {
        const got = stale.get(name) ?? (await other.get(name, options));
        if (got !== null && options?.range === undefined) stale.set(name, got);
        return got;
      },
    });
    expect(failing(await diagnoseStore(cached, SMALL))).toEqual(["overwrite", "read-after-delete"]);
  });

  it("tells a clock that is wrong, which is no fault of the store", async () => {
    const clock = { now: () => 1_000_000_000_000, monotonicMs: () => 0 };
    const store = createMemoryStore({ clock: { ...clock, now: () => clock.now() + 3_600_000 } });
    const report = await diagnoseStore(store, { ...SMALL, clock });
    expect(report).toMatchObject({ isGood: true, measured: { clockAheadMs: 3_600_000 } });
    expect(report.checks.find(({ name }) => name === "clock")).toMatchObject({
      outcome: "ok",
      detail: "The store's clock is 3600 s ahead of ours.",
      hint: expect.stringContaining("Set this machine's clock"),
    });
  });

  it("removes what it wrote also when it is aborted under way", async () => {
    const memory = createMemoryStore();
    const controller = new AbortController();
    const onCheck = ({ name }: { name: string }): void => {
      if (name === "listing") controller.abort();
    };
    const answer = diagnoseStore(memory, { ...SMALL, signal: controller.signal, onCheck });
    await expect(answer).rejects.toMatchObject({ kind: "aborted" });
    expect(await allNames(memory)).toEqual([]);
  });
});
