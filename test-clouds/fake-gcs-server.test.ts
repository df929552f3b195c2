import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { crc32c } from "../src/base/hash.ts";
import { connectGcs } from "../src/store/gcs/gcs-client.ts";
import type { ObjectClient, Piece } from "../src/store/object-client.ts";
import { parseObjectUrl } from "../src/store/object-url.ts";
import { openStore } from "../src/store/open-store.ts";
import { storeContract } from "../src/testing/index.ts";
import { cloudScenarios } from "../test/checkpoint/cloud/cloud-scenarios.ts";
import { cloudPlaceIn } from "../test/checkpoint/cloud/places.ts";
import { type ForeignGcs, findFakeGcsServer, startFakeGcsServer } from "./support/gcs-server.ts";

const PIECE_BYTES = 256 * 1024;
/** Two pieces and a bit. */
const content = Uint8Array.from({ length: 2 * PIECE_BYTES + 100 }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
const whole = { totalBytes: content.length, metadata: { sha256: "5d".repeat(32) } };
const pieces: readonly Piece[] = [0, 1, 2].map((index) => {
  const offset = index * PIECE_BYTES;
  return { index, offset, bytes: content.subarray(offset, offset + PIECE_BYTES), isLast: index === 2 };
});

const tool = await findFakeGcsServer();
const path = "path" in tool ? tool.path : null;

describe.skipIf(path === null)("the GCS adapter on a server that others wrote", () => {
  let cloud: ForeignGcs;
  beforeAll(async () => {
    cloud = await startFakeGcsServer(path ?? "");
  });
  afterAll(() => cloud.close());

  cloudScenarios("fake-gcs-server", async () => ({
    newPlace: () => cloudPlaceIn(cloud),
    close: async () => {},
  }));

  storeContract(
    "fake-gcs-server",
    async () => {
      const url = cloud.newUrl();
      const store = await openStore(url, cloud.options());
      const second = await openStore(url, cloud.options());
      const dispose = async (): Promise<void> => {
        await store.close?.();
        await second.close?.();
      };
      return { store, second, dispose };
    },
    { describe, it },
    { objectCount: 1050 },
  );

  const connect = async (bucket = cloud.bucket): Promise<ObjectClient> => {
    const client = await connectGcs(parseObjectUrl(`gs://${bucket}`, cloud.options()), { pieceBytes: PIECE_BYTES });
    onTestFinished(() => client.close());
    return client;
  };

  describe("fake-gcs-server: what CloudSync needs besides", () => {
    it("takes a file piece after piece, with its metadata", async () => {
      const client = await connect();
      const id = await client.pieces.begin("a file (1) ü.bin", { ...whole, crc32c: crc32c(content) });
      for (const piece of pieces) await client.pieces.put("a file (1) ü.bin", id, piece, whole);
      await client.pieces.complete("a file (1) ü.bin", id, whole);
      await client.pieces.complete("a file (1) ü.bin", id, whole);
      expect(await client.get("a file (1) ü.bin")).toEqual(content);
      expect(await client.head("a file (1) ü.bin")).toMatchObject({
        sizeBytes: content.length,
        metadata: whole.metadata,
      });
    });

    it("refuses what has another checksum than was announced", async () => {
      const client = await connect();
      const refused = { code: "VARVE_STORE", kind: "io" };
      await expect(client.putWithWrongChecksum?.("wrong", content)).rejects.toMatchObject(refused);
      const one = { totalBytes: PIECE_BYTES, metadata: whole.metadata };
      const id = await client.pieces.begin("wrong", { ...one, crc32c: 1 });
      const put = client.pieces.put("wrong", id, { ...(pieces[0] as Piece), isLast: true }, one);
      await expect(put).rejects.toMatchObject(refused);
      expect(await client.head("wrong")).toBeNull();
    });

    it("tells a missing bucket from a missing object", async () => {
      const gone = await connect("no-such-bucket");
      const missing = { kind: "not-found", retryable: false };
      await expect(gone.get("key")).rejects.toMatchObject(missing);
      await expect(gone.put("key", content)).rejects.toMatchObject(missing);
      await expect(gone.delete("key")).rejects.toMatchObject(missing);
      expect(await (await connect()).get("key")).toBeNull();
    });
  });

  // What it does in another way than Google Cloud Storage, as Google's own storage-testbench and its page "Resumable
  // uploads" have it: why the contract of pieces is not run here. One of these that passes is news.
  describe("fake-gcs-server: where it is wrong about uploads in pieces", () => {
    it.fails("tells how far an upload is (it takes the question for the end of the upload)", async () => {
      const client = await connect();
      const id = await client.pieces.begin("status", whole);
      await client.pieces.put("status", id, pieces[0] as Piece, whole);
      expect(await client.pieces.held("status", id, whole)).toBe(1);
    });

    it.fails("passes over bytes that it has (it appends them)", async () => {
      const client = await connect();
      const id = await client.pieces.begin("resent", whole);
      await client.pieces.put("resent", id, pieces[0] as Piece, whole);
      for (const piece of pieces) await client.pieces.put("resent", id, piece, whole);
      expect(await client.get("resent")).toEqual(content);
    });

    it.fails("refuses bytes beyond a gap (it appends them)", async () => {
      const client = await connect();
      const id = await client.pieces.begin("gap", whole);
      await client.pieces.put("gap", id, pieces[0] as Piece, whole);
      await expect(client.pieces.put("gap", id, pieces[2] as Piece, whole)).rejects.toMatchObject({
        code: "VARVE_STORE",
      });
    });

    it.fails("forgets an upload that was cancelled (it goes on with it)", async () => {
      const client = await connect();
      const id = await client.pieces.begin("cancelled", whole);
      await client.pieces.abort("cancelled", id);
      await expect(client.pieces.put("cancelled", id, pieces[0] as Piece, whole)).rejects.toMatchObject({
        code: "VARVE_STORE",
      });
    });

    it.fails("remembers the announced checksum over several pieces (it forgets it with the first)", async () => {
      const client = await connect();
      const id = await client.pieces.begin("announced", { ...whole, crc32c: 1 });
      for (const piece of pieces.slice(0, 2)) await client.pieces.put("announced", id, piece, whole);
      const last = client.pieces.put("announced", id, pieces[2] as Piece, whole);
      await expect(last).rejects.toMatchObject({ code: "VARVE_STORE" });
    });
  });
});
