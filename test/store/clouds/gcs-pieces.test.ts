import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Piece } from "../../../src/store/object-client.ts";
import { failure, type GcsRequest } from "../../servers/gcs/gcs-answer.ts";
import { type GcsCloud, startGcsCloud } from "../../servers/gcs/gcs-cloud.ts";
import { connectForTest, everyRequest, metadata, rejectionOf } from "./gcs-every-request.ts";

const UNIT = 256 * 1024;

let cloud: GcsCloud;
beforeAll(async () => {
  cloud = await startGcsCloud();
});
afterAll(() => cloud.close());
afterEach(() => {
  cloud.onRequest = null;
});

const connect = () => connectForTest(cloud.newUrl(), cloud.options());

/** One piece of 5 units and a bit. */
const content = Uint8Array.from({ length: 5 * UNIT + 100 }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
const whole = { totalBytes: content.length, metadata };
const piece: Piece = { index: 0, offset: 0, bytes: content, isLast: true };

/** The ranges that are sent from now on. */
function watchRanges(): string[] {
  const ranges: string[] = [];
  cloud.onRequest = ({ headers }) => {
    if (headers["content-range"] !== undefined) ranges.push(headers["content-range"]);
    return null;
  };
  return ranges;
}

/** Puts bytes as a connection that broke off would have left them. */
async function leaveBehind(id: string, units: number): Promise<void> {
  const end = units * UNIT;
  const headers = { "content-range": `bytes 0-${end - 1}/${content.length}` };
  const url = new URL(id, cloud.options().endpoint);
  expect((await fetch(url, { method: "PUT", headers, body: content.slice(0, end) })).status).toBe(308);
}

describe("gcs: an upload in pieces", () => {
  it("goes on within a piece, where the service stopped", async () => {
    const client = await connect();
    const id = await client.pieces.begin("broken", whole);
    await leaveBehind(id, 3);
    const ranges = watchRanges();
    expect(await client.pieces.held("broken", id, whole)).toBe(0);
    await client.pieces.put("broken", id, piece, whole);
    expect(ranges).toEqual([`bytes */${content.length}`, `bytes ${3 * UNIT}-${content.length - 1}/${content.length}`]);
    expect(await client.get("broken")).toEqual(content);
  });

  it("sends the rest of a piece of which the service took a part", async () => {
    const client = await connect();
    const id = await client.pieces.begin("partly", whole);
    const ranges = watchRanges();
    const watch = cloud.onRequest;
    cloud.onRequest = (request: GcsRequest) => {
      watch?.(request);
      if (ranges.length > 1) return null;
      // The service may put down less than it was sent, and says so.
      const upload = [...cloud.uploads.values()].at(-1);
      upload?.chunks.push(request.body.subarray(0, UNIT));
      if (upload !== undefined) upload.heldBytes = UNIT;
      return { status: 308, headers: { range: `bytes=0-${UNIT - 1}` } };
    };
    await client.pieces.put("partly", id, piece, whole);
    const total = content.length;
    expect(ranges).toEqual([`bytes 0-${total - 1}/${total}`, `bytes ${UNIT}-${total - 1}/${total}`]);
    expect(await client.get("partly")).toEqual(content);
  });

  it("does not send again and again what the service does not take", async () => {
    const client = await connect();
    const id = await client.pieces.begin("stuck", whole);
    let count = 0;
    cloud.onRequest = () => {
      count += 1;
      return { status: 308 };
    };
    const error = await rejectionOf(client.pieces.put("stuck", id, piece, whole));
    expect(error).toMatchObject({ kind: "network", retryable: true });
    expect(count).toBe(1);
  });

  it("is known to be whole when only the answer to its last piece was lost", async () => {
    const client = await connect();
    const id = await client.pieces.begin("lost", whole);
    await client.pieces.put("lost", id, piece, whole);
    expect(await client.pieces.held("lost", id, whole)).toBe(1);
    await client.pieces.put("lost", id, piece, whole);
    await client.pieces.complete("lost", id, whole);
    await client.pieces.complete("lost", id, whole);
    expect(await client.get("lost")).toEqual(content);
  });

  it("is complete where the service has forgotten it, if the object is just that; else it is not", async () => {
    const client = await connect();
    const id = await client.pieces.begin("forgotten", whole);
    await client.pieces.put("forgotten", id, piece, whole);
    cloud.uploads.clear();
    await client.pieces.complete("forgotten", id, whole);
    const others = [
      { ...whole, metadata: { sha256: "00".repeat(32) } },
      { ...whole, totalBytes: content.length + 1 },
    ];
    for (const other of others) {
      const error = await rejectionOf(client.pieces.complete("forgotten", id, other));
      expect(error).toMatchObject({ kind: "not-found", retryable: false, hint: "Begin it anew." });
    }
  });

  it.each([
    ["never heard of", () => failure(404, "notFound", "Not Found")],
    ["ended by the service", () => failure(410, "gone", "Gone")],
    ["cancelled", () => ({ status: 499 })],
  ])("is unknown when its session is %s", async (_title, answer) => {
    const client = await connect();
    const id = await client.pieces.begin("over", whole);
    cloud.onRequest = ({ url }) => (url.searchParams.has("upload_id") ? answer() : null);
    expect(await client.pieces.held("over", id, whole)).toBeNull();
    const unknown = { kind: "not-found", retryable: false };
    expect(await rejectionOf(client.pieces.put("over", id, piece, whole))).toMatchObject(unknown);
    expect(await rejectionOf(client.pieces.complete("over", id, whole))).toMatchObject(unknown);
    await client.pieces.abort("over", id);
  });

  it("is unknown when its session made another object", async () => {
    const client = await connect();
    const id = await client.pieces.begin("other", whole);
    await client.pieces.put("other", id, piece, whole);
    expect(await client.pieces.held("other", id, { totalBytes: 3 })).toBeNull();
  });

  it("goes to the service only, whatever its id says", async () => {
    const client = await connect();
    const elsewhere = await startGcsCloud();
    try {
      for (const id of [
        `http://127.0.0.1:${elsewhere.port}/o?upload_id=1`,
        `//127.0.0.1:${elsewhere.port}/o`,
        "http://",
      ]) {
        const { piece: put, held, complete, abort } = everyRequest(client, id);
        for (const request of [put, held, complete]) {
          expect(await rejectionOf(request?.())).toMatchObject({ kind: "not-found", retryable: false });
        }
        await abort?.();
      }
      expect(elsewhere.requests.size).toBe(0);
    } finally {
      await elsewhere.close();
    }
  });

  it("is gone on with at another address of the service", async () => {
    const client = await connect();
    const id = await client.pieces.begin("moved", whole);
    const elsewhere = await connectForTest(cloud.newUrl(), { endpoint: `http://localhost:${cloud.port}` });
    await elsewhere.pieces.put("moved", id, piece, whole);
    expect(await client.get("moved")).toEqual(content);
  });

  it("is in no listing of uploads: the service has none", async () => {
    const client = await connect();
    await client.pieces.begin("listed", whole);
    expect(await Array.fromAsync(client.pieces.open(""))).toEqual([]);
  });

  it("makes an object of no bytes", async () => {
    const client = await connect();
    const empty = { totalBytes: 0, metadata };
    const id = await client.pieces.begin("empty", empty);
    await client.pieces.complete("empty", id, empty);
    expect(await client.get("empty")).toEqual(new Uint8Array(0));
  });
});
