import { inspect } from "node:util";
import { CredentialUnavailableError } from "@azure/identity";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { connectAzure } from "../../../src/store/azure/azure-client.ts";
import { azureError } from "../../../src/store/azure/azure-errors.ts";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { type CloudOptions, parseObjectUrl } from "../../../src/store/object-url.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { type AzureCloud, connectionString, startAzureCloud } from "../../servers/azure/azure-cloud.ts";

let cloud: AzureCloud;
beforeAll(async () => {
  cloud = await startAzureCloud();
});
afterAll(() => cloud.close());

async function connect(options: CloudOptions = cloud.options(), url = cloud.newUrl()): Promise<ObjectClient> {
  const client = await connectAzure(parseObjectUrl(url, options));
  onTestFinished(() => client.close());
  return client;
}

const bytes = new TextEncoder().encode("content");
const metadata = { sha256: "5d".repeat(32) };
const whole = { totalBytes: bytes.length, metadata };

function everyRequest(client: ObjectClient): Readonly<Record<string, () => Promise<unknown>>> {
  return {
    put: () => client.put("key", bytes),
    create: () => client.put("key", bytes, { ifAbsent: true }),
    get: () => client.get("key"),
    range: () => client.get("key", { range: { offset: 0, length: 3 } }),
    "empty range": () => client.get("key", { range: { offset: 0, length: 0 } }),
    head: () => client.head("key"),
    list: () => client.list("")[Symbol.asyncIterator]().next(),
    delete: () => client.delete("key"),
    piece: () => client.pieces.put("key", "0".repeat(32), { index: 0, offset: 0, bytes, isLast: true }, whole),
    held: () => client.pieces.held("key", "0".repeat(32), whole),
    complete: () => client.pieces.complete("key", "0".repeat(32), whole),
    open: () => client.pieces.open("")[Symbol.asyncIterator]().next(),
  };
}

async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    (value) => expect.fail(`resolved to ${inspect(value)}`),
    (error: Error) => error,
  );
}

describe("azure: what the service answers", () => {
  it("tells a missing container from a missing blob, in every request", async () => {
    const client = await connect(cloud.options(), `az://${cloud.account}/no-such-container/run`);
    for (const [name, request] of Object.entries(everyRequest(client))) {
      expect(await rejectionOf(request()), name).toMatchObject({ kind: "not-found", retryable: false });
    }
  });

  it("tells that it may not, in every request, with what to do, and is not to be tried again", async () => {
    const wrongKey = Buffer.from("another key").toString("base64");
    const client = await connect({ connectionString: connectionString(cloud.port, wrongKey) });
    for (const [name, request] of Object.entries(everyRequest(client))) {
      const error = await rejectionOf(request());
      expect(error, name).toMatchObject({ code: "VARVE_STORE", kind: "permission", retryable: false });
      expect((error as { hint?: string }).hint, name).toMatch(/key is wrong/);
    }
  });

  it("shows neither key nor signature in anything of any error", async () => {
    const signature = "c2lnbmF0dXJlLW9mLXNlY3JldHM";
    const endpoint = `BlobEndpoint=http://127.0.0.1:${cloud.port}/${cloud.account}`;
    const clients = [
      await connect(cloud.options(), `az://${cloud.account}/no-such-container/run`),
      await connect(cloud.options(1)),
      await connect({ connectionString: `${endpoint};SharedAccessSignature=sv=2024-11-04&sp=rw&sig=${signature}%3D` }),
    ];
    for (const client of clients) {
      for (const request of Object.values(everyRequest(client))) {
        const error = await rejectionOf(request());
        const shown = inspect(error, { depth: 12, showHidden: true, getters: true }) + String(error.stack);
        for (const secret of [cloud.accountKey, signature, "sig="]) expect(shown).not.toContain(secret);
        expect(shown).not.toMatch(/SharedKey \w|x-ms-date/i);
      }
    }
    const store = await openStore(cloud.newUrl(), cloud.options());
    expect(inspect([store, ...clients], { depth: 12 }) + JSON.stringify([store, clients])).not.toContain(
      cloud.accountKey,
    );
  });

  it("has no signed-in identity: a permission error that says how to get one, without the chain's own words", () => {
    const cause = new CredentialUnavailableError("tried with client secret 8Q~canary");
    const error = azureError(cause, { operation: "get", key: "key", signal: undefined, wasIdle: false });
    expect(error).toMatchObject({ kind: "permission", retryable: false, hint: expect.stringContaining("az login") });
    expect(inspect(error, { showHidden: true, depth: 9 })).not.toContain("canary");
  });

  it("refuses an upload whose bytes are not those that were hashed; worth a second try, and nothing is there", async () => {
    const client = await connect();
    const changing = new Uint8Array(100_000);
    const put = client.put("changing", changing);
    changing[50_000] = 1;
    expect(await rejectionOf(put)).toMatchObject({ kind: "io", retryable: true });
    expect(await client.head("changing")).toBeNull();

    const piece = client.pieces.put(
      "pieces",
      "1".repeat(32),
      { index: 0, offset: 0, bytes: changing, isLast: true },
      {
        ...whole,
        totalBytes: changing.length,
      },
    );
    changing[50_000] = 2;
    expect(await rejectionOf(piece)).toMatchObject({ kind: "io", retryable: true });
  });

  it("notices that what arrives is not what was stored", async () => {
    const client = await connect();
    await client.put("flipped", bytes);
    expect(await client.get("flipped")).toEqual(bytes);
    const otherMd5 = new Uint8Array(16);
    await cloud.inside.getBlockBlobClient("flipped").setHTTPHeaders({ blobContentMD5: otherMd5 });
    expect(await rejectionOf(client.get("flipped"))).toMatchObject({ kind: "io", retryable: true });
  });

  it("keeps what CloudSync notes, and says null for a blob of somebody else", async () => {
    const client = await connect();
    await client.put("noted", bytes, { metadata });
    expect(await client.head("noted")).toMatchObject({ key: "noted", sizeBytes: 7, metadata });
    await client.put("noted", bytes);
    expect((await client.head("noted"))?.metadata).toBeNull();
    await cloud.inside.getBlockBlobClient("foreign").upload("x", 1, { metadata: { varvesha256: "?" } });
    expect((await client.head("foreign"))?.metadata).toBeNull();
  });

  it("takes keys of any text but a backslash, which Azure would change", async () => {
    const client = await connect();
    const keys = ["any/a b.txt", "any/%20%2F", "any/ü?x=1#y&z", "any/日本/😀", "any/~!@$^*()'\"<>|", "any//double"];
    for (const key of keys) await client.put(key, new TextEncoder().encode(key));
    for (const key of keys) expect(new TextDecoder().decode((await client.get(key)) ?? bytes)).toBe(key);
    const listed: string[] = [];
    for await (const { key } of client.list("any/")) listed.push(key);
    expect(new Set(listed)).toEqual(new Set(keys));
    await expect(client.put("a\\b", bytes)).rejects.toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
  });

  it("says that an upload has to begin anew when another one has taken its blocks away", async () => {
    const client = await connect();
    const piece = { index: 0, offset: 0, bytes, isLast: true };
    const [one, other] = [
      await client.pieces.begin("key-of-two", whole),
      await client.pieces.begin("key-of-two", whole),
    ];
    for (const id of [one, other]) await client.pieces.put("key-of-two", id, piece, whole);
    await client.pieces.complete("key-of-two", other, whole);
    const error = await rejectionOf(client.pieces.complete("key-of-two", one, whole));
    expect(error).toMatchObject({ kind: "not-found", hint: expect.stringContaining("anew") });
    // The answer to a complete may be lost: a second one finds what is committed.
    await client.pieces.complete("key-of-two", other, whole);
    expect(await client.get("key-of-two")).toEqual(bytes);
  });

  it("says what to do where blocks of another program are in the way", async () => {
    const client = await connect();
    const foreign = Buffer.from("of another length").toString("base64");
    await cloud.inside.getBlockBlobClient("key-of-another").stageBlock(foreign, "x", 1);
    const piece = { index: 0, offset: 0, bytes, isLast: true };
    const error = await rejectionOf(client.pieces.put("key-of-another", "1".repeat(32), piece, whole));
    expect(error).toMatchObject({ retryable: false, hint: expect.stringContaining("another program") });
    for await (const { key } of client.pieces.open("key-of-another")) expect.fail(`${key} is not ours`);
  });

  it("makes a file of no bytes of no pieces", async () => {
    const client = await connect();
    const empty = { totalBytes: 0, metadata };
    const id = await client.pieces.begin("no-bytes", empty);
    await client.pieces.put("no-bytes", id, { index: 0, offset: 0, bytes: new Uint8Array(0), isLast: true }, empty);
    await client.pieces.complete("no-bytes", id, empty);
    expect(await client.head("no-bytes")).toMatchObject({ sizeBytes: 0, metadata });
    expect(await client.get("no-bytes")).toEqual(new Uint8Array(0));
  });

  it("cuts the largest files that Azure takes into no more pieces than it takes", async () => {
    const { pieces } = await connect();
    const mebibyte = 1024 * 1024;
    expect([1, 8 * mebibyte * 50_000].map((total) => pieces.pieceBytes(total))).toEqual([8 * mebibyte, 8 * mebibyte]);
    expect(pieces.pieceBytes(8 * mebibyte * 50_000 + 1)).toBe(9 * mebibyte);
    expect(pieces.pieceBytes(4000 * mebibyte * 50_000)).toBe(4000 * mebibyte);
  });
});
