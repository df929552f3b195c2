import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import type { CloudOptions } from "../../../src/store/object-url.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { errorAnswer, type S3Answer } from "../../servers/s3/s3-answer.ts";
import { type S3Cloud, startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import type { S3Request } from "../../servers/s3/s3-request.ts";
import {
  bytes,
  connectForTest,
  everyRequest,
  metadata,
  piece,
  rejectionOf,
  shownOf,
  whole,
} from "./s3-every-request.ts";

let cloud: S3Cloud;
beforeAll(async () => {
  cloud = await startS3Cloud({ pageSize: 3 });
});
afterAll(() => cloud.close());
afterEach(() => {
  cloud.deny = false;
  cloud.onRequest = null;
});

const connect = (url = cloud.newUrl(), options: CloudOptions = cloud.options()): Promise<ObjectClient> =>
  connectForTest(url, options);

/** A bit changes on the way to the server. */
function flipBit(request: S3Request): void {
  request.body[3] = (request.body[3] ?? 0) ^ 4;
}

describe("s3: what the service answers", () => {
  it("tells a missing bucket from a missing object, in every request", async () => {
    const client = await connect("s3://no-such-bucket");
    for (const [name, request] of Object.entries(everyRequest(client))) {
      const error = await rejectionOf(request());
      expect(error, name).toMatchObject({ kind: "not-found", retryable: false });
      expect(error.message, name).toContain("NoSuchBucket");
    }
    expect(await (await connect()).head("absent")).toBeNull();
  });

  it("tells that it may not, in every request, with the permissions that are needed", async () => {
    const client = await connect();
    cloud.deny = true;
    for (const [name, request] of Object.entries(everyRequest(client))) {
      expect(await rejectionOf(request()), name).toMatchObject({ kind: "permission", retryable: false });
    }
    const hint = expect.stringContaining("s3:ListBucket");
    expect(await rejectionOf(client.get("key"))).toMatchObject({ hint });
  });

  it.each([
    [403, "AccessDenied", "s3:ListBucket"],
    [403, "ExpiredToken", "expired"],
    [400, "ExpiredToken", "expired"],
    [403, "InvalidAccessKeyId", "access key"],
    [403, "SignatureDoesNotMatch", "secret key"],
    [403, "RequestTimeTooSkewed", "clock"],
  ])("tells the word of a refusal with %i %s also where the answer has no body", async (status, word, hint) => {
    const client = await connect();
    let count = 0;
    cloud.onRequest = () => {
      count += 1;
      return errorAnswer(status, word, "why");
    };
    const error = await rejectionOf(client.head("key"));
    expect(error).toMatchObject({ kind: "permission", retryable: false, hint: expect.stringContaining(hint) });
    expect(error.message).toContain(`"key" failed (permission): HTTP ${status} ${word}: why`);
    expect(count).toBe(2);
  });

  it("takes nothing but a further refusal for the reason of one, and asks once", async () => {
    const client = await connect();
    const asked: string[] = [];
    const answers: readonly ((request: S3Request) => S3Answer | null)[] = [
      () => errorAnswer(404, "NoSuchKey", "gone"),
      () => errorAnswer(404, "NoSuchBucket", "gone"),
      () => errorAnswer(503, "SlowDown", "slow"),
      () => errorAnswer(416, "InvalidRange", "empty"),
      () => ({ status: 403, body: "<html>" }),
      () => ({ status: 206, headers: { etag: '"1"', "content-range": "bytes 0-0/7" }, body: "c" }),
    ];
    for (const answer of answers) {
      asked.length = 0;
      cloud.onRequest = (request) => {
        asked.push(request.method);
        return request.method === "HEAD" ? { status: 403 } : answer(request);
      };
      const error = await rejectionOf(client.head("key"));
      expect(error).toMatchObject({ kind: "permission", retryable: false, retryAfterMs: 0 });
      expect(error.message).toContain("HTTP 403: the answer says no more");
      expect(asked).toEqual(["HEAD", "GET"]);
    }
  });

  it("shows no credential and no signature in anything of any error", async () => {
    const secret = process.env["AWS_SECRET_ACCESS_KEY"] ?? "";
    expect(secret.length).toBeGreaterThan(10);
    const clients = [await connect("s3://no-such-bucket"), await connect(cloud.newUrl(), cloud.options(1))];
    for (const client of clients) {
      for (const request of Object.values(everyRequest(client))) {
        const shown = shownOf(await rejectionOf(request()));
        expect(shown).not.toContain(secret);
        expect(shown).not.toMatch(/AWS4-HMAC|Signature=|authorization/i);
      }
    }
    const store = await openStore(cloud.newUrl(), cloud.options());
    expect(shownOf([store, ...clients])).not.toContain(secret);
  });

  it("is worth another try where two writers were at it at once", async () => {
    const client = await connect();
    cloud.onRequest = () => errorAnswer(409, "ConditionalRequestConflict", "conflicting conditional operation");
    const busy = { kind: "busy", retryable: true };
    expect(await rejectionOf(client.put("key", bytes, { ifAbsent: true }))).toMatchObject(busy);
  });

  it("sends a busy request once, and hands on how long the service wants to be left alone", async () => {
    const client = await connect();
    let count = 0;
    cloud.onRequest = () => {
      count += 1;
      return { ...errorAnswer(503, "SlowDown", "Please reduce your request rate."), headers: { "retry-after": 7 } };
    };
    const requests = Object.values(everyRequest(client));
    for (const request of requests) {
      expect(await rejectionOf(request())).toMatchObject({ kind: "busy", retryable: true, retryAfterMs: 7000 });
    }
    expect(count).toBe(requests.length);
  });

  it("names the region of a bucket that is elsewhere, also where the answer has no body", async () => {
    const client = await connect();
    const headers = { "x-amz-bucket-region": "eu-west-3" };
    const wrongRegions = [
      errorAnswer(301, "PermanentRedirect", "The bucket must be addressed using the specified endpoint."),
      errorAnswer(400, "AuthorizationHeaderMalformed", "The authorization header is malformed"),
    ];
    for (const answer of wrongRegions) {
      cloud.onRequest = () => ({ ...answer, headers });
      for (const request of [() => client.get("key"), () => client.head("key")]) {
        const hint = expect.stringContaining("eu-west-3");
        expect(await rejectionOf(request())).toMatchObject({ retryable: false, hint });
      }
    }
  });

  it("refuses an upload that changed on its way; worth a second try, and nothing is there", async () => {
    const client = await connect();
    const id = await client.pieces.begin("pieces", whole);
    const withoutSignedHash = (request: S3Request): void => {
      delete request.headers["x-amz-content-sha256"];
    };
    for (const [damage, word] of [
      [flipBit, "XAmzContentSHA256Mismatch"],
      // A proxy that signs anew hides the change from the signature: the checksum in the header still tells.
      [(request: S3Request) => [flipBit(request), withoutSignedHash(request)], "BadDigest"],
    ] as const) {
      cloud.onRequest = (request) => {
        damage(request);
        return null;
      };
      for (const upload of [client.put("key", bytes), client.pieces.put("pieces", id, piece, whole)]) {
        const error = await rejectionOf(upload);
        expect(error).toMatchObject({ kind: "io", retryable: true, message: expect.stringContaining(word) });
      }
    }
    cloud.onRequest = null;
    expect(await client.get("key")).toBeNull();
    expect(await client.pieces.held("pieces", id, whole)).toBe(0);
  });

  it("notices that what arrives is not what was stored", async () => {
    const client = await connect();
    await client.put("flipped", bytes);
    const stored = cloud.objects.get("flipped");
    if (stored === undefined) return expect.unreachable();
    const other = Buffer.from("cONTENT");
    cloud.objects.set("flipped", { ...stored, bytes: other });
    expect(await rejectionOf(client.get("flipped"))).toMatchObject({ kind: "io", retryable: true });
    // Literal: of "content".
    for (const checksums of [
      { "x-amz-checksum-sha256": "7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M=" },
      { "x-amz-checksum-crc32c": "Ya91Mw==" },
      { "x-amz-checksum-crc32": "/sUwqQ==" },
    ]) {
      cloud.objects.set("flipped", { ...stored, checksums });
      expect(await client.get("flipped")).toEqual(bytes);
      cloud.objects.set("flipped", { ...stored, checksums, bytes: other });
      expect(await rejectionOf(client.get("flipped"))).toMatchObject({ kind: "io" });
    }
    // That of an object made of parts is no checksum of its bytes.
    cloud.objects.set("flipped", { ...stored, checksums: { "x-amz-checksum-crc32c": "AAAAAA==-2" } });
    expect(await client.get("flipped")).toEqual(bytes);
  });

  it("keeps what CloudSync notes, and says null for an object of somebody else", async () => {
    const client = await connect();
    await client.put("noted", bytes, { metadata });
    expect(await client.head("noted")).toMatchObject({ key: "noted", sizeBytes: 7, metadata });
    await client.put("noted", bytes);
    expect((await client.head("noted"))?.metadata).toBeNull();
    const stored = cloud.objects.get("noted");
    if (stored !== undefined) cloud.objects.set("noted", { ...stored, metadata: { "varve-sha256": "?" } });
    expect((await client.head("noted"))?.metadata).toBeNull();
  });

  it("takes keys of any text, and lists them over pages in the order of their bytes", async () => {
    const client = await connect();
    const names = ["%20%2F", "a b+c.txt", "a//double", "\u0001\r\n", "~!@$^*()'\"<>|\\", "ü?x=1#y&z", "\uffee", "😀"];
    const keys = names.map((name) => `any/${name}`);
    for (const key of keys) await client.put(key, new TextEncoder().encode(key));
    for (const key of keys) expect(new TextDecoder().decode((await client.get(key)) ?? bytes)).toBe(key);
    const listed = await Array.fromAsync(client.list("any/"));
    const inOrder = keys.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    expect(listed.map(({ key }) => key)).toEqual(inOrder);
    for (const key of keys) await client.delete(key);
    expect(await Array.fromAsync(client.list("any/"))).toEqual([]);
  });

  it("reads nothing of an empty object, and finds uploads and pieces over pages", async () => {
    const client = await connect();
    await client.put("empty", new Uint8Array(0));
    expect(await client.get("empty")).toEqual(new Uint8Array(0));
    expect(await client.get("empty", { range: { offset: 0, length: 5 } })).toEqual(new Uint8Array(0));
    const ids: string[] = [];
    for (let count = 0; count < 5; count++) ids.push(await client.pieces.begin("paged/same key", whole));
    const found = await Array.fromAsync(client.pieces.open("paged/"));
    expect(new Set(found.map(({ id }) => id))).toEqual(new Set(ids));

    const id = ids[0] ?? "";
    // Pieces of 8 MiB would be of this size: the server is told that they are.
    const big = { totalBytes: 5 * 8 * 1024 * 1024, metadata };
    const upload = cloud.uploads.get(id);
    const part = { bytes: Buffer.alloc(8 * 1024 * 1024), etag: '"x"', modifiedAtMs: 1, checksums: {} };
    for (let number = 1; number <= 5; number++) upload?.parts.set(number, part);
    expect(await client.pieces.held("paged/same key", id, big)).toBe(5);
  });

  it("sends one request for each call, and two for the head of what is absent or denied", async () => {
    const client = await connect();
    const counted = async (work: () => Promise<unknown>): Promise<number> => {
      let count = 0;
      cloud.onRequest = () => {
        count += 1;
        return null;
      };
      await work();
      return count;
    };
    expect(await counted(() => client.put("counted", bytes))).toBe(1);
    expect(await counted(() => client.get("counted"))).toBe(1);
    expect(await counted(() => client.get("counted", { range: { offset: 2, length: 900 } }))).toBe(1);
    expect(await counted(() => client.head("counted"))).toBe(1);
    expect(await counted(() => client.get("absent"))).toBe(1);
    expect(await counted(() => client.head("absent"))).toBe(2);
    cloud.deny = true;
    expect(await counted(() => rejectionOf(client.head("counted")))).toBe(2);
    expect(await counted(() => rejectionOf(client.get("counted")))).toBe(1);
  });

  it("joins no pieces of an upload that lacks some, though S3 itself would", async () => {
    const client = await connect();
    const id = await client.pieces.begin("gap", whole);
    expect(await rejectionOf(client.pieces.complete("gap", id, whole))).toMatchObject({ kind: "unsupported" });
    const short = { ...piece, bytes: bytes.subarray(1) };
    await client.pieces.put("gap", id, short, whole);
    expect(await rejectionOf(client.pieces.complete("gap", id, whole))).toMatchObject({ kind: "unsupported" });
    await client.pieces.put("gap", id, piece, whole);
    await client.pieces.complete("gap", id, whole);
    expect(await client.get("gap")).toEqual(bytes);
    const unknown = { kind: "not-found", retryable: false };
    expect(await rejectionOf(client.pieces.put("gap", id, piece, whole))).toMatchObject(unknown);
    expect(await rejectionOf(client.pieces.complete("gap", id, whole))).toMatchObject(unknown);
  });

  it("has pieces of a size that S3 takes, however large the file is", async () => {
    const { pieces } = await connect();
    const gibibyte = 1024 ** 3;
    for (const totalBytes of [0, 1, 1e9, 78 * gibibyte, 79 * gibibyte, 5 * 1024 * gibibyte]) {
      const pieceBytes = pieces.pieceBytes(totalBytes);
      expect(pieceBytes).toBeGreaterThanOrEqual(5 * 1024 * 1024);
      expect(Math.ceil(totalBytes / pieceBytes)).toBeLessThanOrEqual(10_000);
    }
    expect(pieces.pieceBytes(1)).toBe(8 * 1024 * 1024);
    expect(pieces.pieceBytes(79 * gibibyte)).toBe(9 * 1024 * 1024);
  });
});

describe("s3: a server that ignores conditions", () => {
  it("is believed when it says that it created an object: whoever probes it can tell", async () => {
    const careless = await startS3Cloud({ ignoresConditions: true });
    try {
      const client = await connect(careless.newUrl(), careless.options());
      expect(await client.put("key", bytes, { ifAbsent: true })).toBe(true);
      expect(await client.put("key", bytes, { ifAbsent: true })).toBe(true);
    } finally {
      await careless.close();
    }
  });
});
