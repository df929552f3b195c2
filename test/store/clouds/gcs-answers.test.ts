import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import type { CloudOptions } from "../../../src/store/object-url.ts";
import { failure, type GcsRequest } from "../../servers/gcs/gcs-answer.ts";
import { type GcsCloud, startGcsCloud } from "../../servers/gcs/gcs-cloud.ts";
import {
  bytes,
  connectForTest,
  everyRequest,
  metadata,
  piece,
  rejectionOf,
  SESSION_SECRET,
  shownOf,
  whole,
} from "./gcs-every-request.ts";

let cloud: GcsCloud;
beforeAll(async () => {
  cloud = await startGcsCloud();
});
afterAll(() => cloud.close());
afterEach(() => {
  cloud.deny = false;
  cloud.onRequest = null;
});

const connect = (url = cloud.newUrl(), options: CloudOptions = cloud.options()): Promise<ObjectClient> =>
  connectForTest(url, options);

/** How many requests some work sends. */
async function counted(work: () => Promise<unknown>): Promise<number> {
  let count = 0;
  cloud.onRequest = () => {
    count += 1;
    return null;
  };
  await work();
  cloud.onRequest = null;
  return count;
}

/** A bit changes on the way to the server, where the content is. */
function flipBit({ body }: GcsRequest): null {
  const place = body.indexOf("content-of-test");
  if (place >= 0) body[place] = (body[place] ?? 0) ^ 4;
  return null;
}

describe("gcs: what the service answers", () => {
  it("tells a missing bucket from a missing object, in every request", async () => {
    const client = await connect("gs://no-such-bucket");
    const hints: unknown[] = [];
    // Of an upload that nobody knows there is nothing to tell, and nothing to abort.
    const { held: _held, abort: _abort, ...rest } = everyRequest(client);
    for (const [name, request] of Object.entries(rest)) {
      const error = await rejectionOf(request());
      expect(error, name).toMatchObject({ kind: "not-found", retryable: false });
      hints.push((error as { hint?: string }).hint);
    }
    expect(hints).toContain("The bucket is not there; Varve never makes one. Check the URL, or create it.");
    const there = await connect();
    expect(await there.head("absent")).toBeNull();
    expect(await there.get("absent")).toBeNull();
    expect(await there.get("absent", { range: { offset: 0, length: 0 } })).toBeNull();
  });

  it("needs no words of the service to tell the two", async () => {
    const client = await connect();
    const gone = await connect("gs://no-such-bucket");
    cloud.onRequest = ({ url }) => (/\/o\/./.test(url.pathname) ? failure(404, "notFound", "Not Found") : null);
    expect(await client.head("absent")).toBeNull();
    expect(await client.get("absent")).toBeNull();
    await client.delete("absent");
    for (const request of [() => gone.head("key"), () => gone.get("key"), () => gone.delete("key")]) {
      expect(await rejectionOf(request())).toMatchObject({ kind: "not-found" });
    }
  });

  it("tells that it may not, in every request, with what to do, and is not to be tried again", async () => {
    const client = await connect();
    cloud.deny = true;
    for (const [name, request] of Object.entries(everyRequest(client))) {
      expect(await rejectionOf(request()), name).toMatchObject({ kind: "permission", retryable: false });
    }
    const hint = expect.stringContaining("Storage Object User");
    expect(await rejectionOf(client.put("key", bytes))).toMatchObject({ hint });
  });

  it("shows no session in anything of any error, also where the service repeats it", async () => {
    const repeats = await connect();
    cloud.onRequest = ({ url }) => {
      const id = url.searchParams.get("upload_id") ?? "";
      return failure(400, "invalid", `Bad request: https://storage.example.org/o?upload_id=${id} (${id})`);
    };
    const clients = [repeats, await connect(cloud.newUrl(), cloud.options(1))];
    for (const client of clients) {
      for (const [name, request] of Object.entries(everyRequest(client))) {
        if (client === repeats && name === "abort") continue;
        expect(shownOf(await rejectionOf(request())), name).not.toContain(SESSION_SECRET.slice(0, -2));
      }
    }
    expect(shownOf(clients)).not.toContain(SESSION_SECRET);
  });

  it("sends a busy request once, and hands on how long the service wants to be left alone", async () => {
    const client = await connect();
    let count = 0;
    cloud.onRequest = () => {
      count += 1;
      return { ...failure(503, "backendError", "Backend Error"), headers: { "retry-after": "7" } };
    };
    const requests = Object.values(everyRequest(client));
    for (const request of requests) {
      expect(await rejectionOf(request())).toMatchObject({ kind: "busy", retryable: true, retryAfterMs: 7000 });
    }
    expect(count).toBe(requests.length);
  });

  it("is worth another try, later, where the service wants fewer requests", async () => {
    const client = await connect();
    for (const answer of [
      failure(429, "rateLimitExceeded", "The object exceeded the rate limit for object mutation operations."),
      failure(403, "userRateLimitExceeded", "User Rate Limit Exceeded."),
    ]) {
      cloud.onRequest = () => answer;
      expect(await rejectionOf(client.put("key", bytes))).toMatchObject({ kind: "busy", retryable: true });
    }
  });

  it("says what to do where the requests are billed to whoever asks", async () => {
    const client = await connect();
    cloud.onRequest = () => failure(400, "required", "Bucket is a requester pays bucket but no user project provided.");
    const hint = expect.stringContaining("`project`");
    expect(await rejectionOf(client.get("key"))).toMatchObject({ retryable: false, hint });
  });

  it("refuses an upload that changed on its way; worth a second try, and nothing is there", async () => {
    const client = await connect();
    const content = Buffer.from("this is the content-of-test");
    const upload = { totalBytes: content.length, metadata };
    // Literal: CRC-32C of the content.
    const id = await client.pieces.begin("pieces", { ...upload, crc32c: 0x83a74d63 });
    cloud.onRequest = flipBit;
    for (const work of [
      () => client.put("flipped", content),
      () => client.pieces.put("pieces", id, { ...piece, bytes: content }, upload),
    ]) {
      const error = await rejectionOf(work());
      expect(error).toMatchObject({ kind: "io", retryable: true, message: expect.stringContaining("BadDigest") });
    }
    cloud.onRequest = null;
    expect(await client.get("flipped")).toBeNull();
    expect(await client.head("pieces")).toBeNull();
    const again = await client.pieces.begin("pieces", { ...upload, crc32c: 0x83a74d63 });
    await client.pieces.put("pieces", again, { ...piece, bytes: content }, upload);
    expect(await client.get("pieces")).toEqual(new Uint8Array(content));
  });

  it("notices that what it put went to another name, which no checksum covers", async () => {
    const client = await connect();
    cloud.onRequest = ({ url }) => {
      url.searchParams.set("name", "other-key");
      return null;
    };
    expect(await rejectionOf(client.put("named-key", bytes))).toMatchObject({ kind: "network", retryable: true });
    cloud.onRequest = null;
    const id = await client.pieces.begin("other-key", whole);
    await client.pieces.put("named-key", id, piece, whole);
    expect(await client.pieces.held("named-key", id, whole)).toBeNull();
    expect(await rejectionOf(client.pieces.complete("named-key", id, whole))).toMatchObject({ kind: "not-found" });
  });

  it("has a put with a wrong checksum refused, by which one can tell that the server looks", async () => {
    const client = await connect();
    expect(await rejectionOf(client.putWithWrongChecksum?.("wrong", bytes))).toMatchObject({ kind: "io" });
    expect(await client.head("wrong")).toBeNull();
  });

  it("notices that what arrives is not what was stored", async () => {
    const client = await connect();
    await client.put("flipped", bytes);
    const stored = cloud.objects.get("flipped");
    if (stored === undefined) return expect.unreachable();
    cloud.objects.set("flipped", { ...stored, bytes: Buffer.from("cONTENT") });
    const broken = { kind: "io", retryable: true };
    expect(await rejectionOf(client.get("flipped"))).toMatchObject(broken);
    // A range of all there is can be checked as well.
    expect(await rejectionOf(client.get("flipped", { range: { offset: 0, length: 100 } }))).toMatchObject(broken);
    cloud.objects.set("flipped", stored);
    expect(await client.get("flipped")).toEqual(bytes);
  });

  it("keeps what CloudSync notes, and says null for an object of somebody else", async () => {
    const client = await connect();
    await client.put("noted", bytes, { metadata });
    expect(await client.head("noted")).toMatchObject({ key: "noted", sizeBytes: 7, metadata });
    expect(cloud.objects.get("noted")?.metadata).toEqual({ "varve-sha256": metadata.sha256 });
    await client.put("noted", bytes);
    expect((await client.head("noted"))?.metadata).toBeNull();
    const stored = cloud.objects.get("noted");
    if (stored !== undefined) cloud.objects.set("noted", { ...stored, metadata: { "varve-sha256": "?" } });
    expect((await client.head("noted"))?.metadata).toBeNull();
  });

  it("takes keys of any text that GCS takes, and lists them over pages in the order of their bytes", async () => {
    const client = await connect();
    const names = ["%20%2F", "a b+c.txt", "a//double", "..", "~!@$^*()'\"<>|\\", "ü?x=1#y&z", "\uffee", "😀"];
    const keys = names.map((name) => `any +%/${name}`);
    const queries: string[] = [];
    cloud.onRequest = ({ url }) => {
      queries.push(url.search);
      return null;
    };
    for (const key of keys) await client.put(key, new TextEncoder().encode(key));
    for (const key of keys) expect(new TextDecoder().decode((await client.get(key)) ?? bytes)).toBe(key);
    const listed = await Array.fromAsync(client.list("any +%/"));
    const inOrder = keys.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    expect(listed.map(({ key }) => key)).toEqual(inOrder);
    for (const key of keys) await client.delete(key);
    expect(await Array.fromAsync(client.list("any +%/"))).toEqual([]);
    // Some take it for a space and some for itself.
    expect(queries.filter((query) => query.includes("+"))).toEqual([]);
  });

  it("refuses keys that GCS has no object of, before anything is sent: one of them would name the bucket", async () => {
    const client = await connect();
    const refused = { code: "VARVE_INVALID_ARGUMENT" };
    const sent = await counted(async () => {
      for (const key of ["", ".", "..", "a\nb", "a\rb", "\ud800", "é".repeat(513)]) {
        await expect(client.delete(key), key).rejects.toMatchObject(refused);
        await expect(client.put(key, bytes), key).rejects.toMatchObject(refused);
        await expect(client.pieces.begin(key, whole), key).rejects.toMatchObject(refused);
      }
    });
    expect(sent).toBe(0);
  });

  it("sends one request for each call", async () => {
    const client = await connect();
    expect(await counted(() => client.put("counted", bytes))).toBe(1);
    expect(await counted(() => client.put("counted", bytes, { ifAbsent: true }))).toBe(1);
    expect(await counted(() => client.get("counted"))).toBe(1);
    expect(await counted(() => client.get("counted", { range: { offset: 2, length: 900 } }))).toBe(1);
    expect(await counted(() => client.get("counted", { range: { offset: 900, length: 1 } }))).toBe(1);
    expect(await counted(() => client.head("counted"))).toBe(1);
    expect(await counted(() => client.get("absent"))).toBe(1);
    expect(await counted(() => client.head("absent"))).toBe(1);
    expect(await counted(() => client.delete("absent"))).toBe(1);
  });
});

describe("gcs: a server that ignores conditions", () => {
  it("is believed when it says that it created an object: whoever probes it can tell", async () => {
    const careless = await startGcsCloud({ ignoresConditions: true });
    try {
      const client = await connect(careless.newUrl(), careless.options());
      expect(await client.put("key", bytes, { ifAbsent: true })).toBe(true);
      expect(await client.put("key", bytes, { ifAbsent: true })).toBe(true);
    } finally {
      await careless.close();
    }
  });
});
