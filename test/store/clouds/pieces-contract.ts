import { createHash } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { randomId } from "../../../src/base/ids.ts";
import type { ObjectClient, ObjectMetadata, OpenUpload, Piece } from "../../../src/store/object-client.ts";

/** What providers differ in, and callers have to live with. */
export interface PiecesSettings {
  /** False where an upload is unknown to the provider until its first piece is there (Azure). */
  readonly isKnownWhenBegun?: boolean;
  /** False where the object is whole, and seen, with its last piece (GCS). */
  readonly isHiddenUntilComplete?: boolean;
  /** False where what was sent cannot be dropped at once (Azure). */
  readonly dropsAborted?: boolean;
  /** False where `open` finds nothing (GCS). */
  readonly listsOpen?: boolean;
  /** False where the server fails on a piece of an upload that it does not know (moto). */
  readonly refusesUnknown?: boolean;
}

/** A file of some pieces, the last one short. */
interface Upload {
  readonly content: Uint8Array;
  readonly totalBytes: number;
  readonly metadata: ObjectMetadata;
  readonly pieces: readonly Piece[];
}

/**
 * Defines the tests of `PieceUploads` that every provider has to pass.
 *
 * @param createClient - makes a client of one and the same bucket; closed by the test
 */
export function piecesContract(
  title: string,
  createClient: () => Promise<ObjectClient>,
  settings: PiecesSettings = {},
): void {
  const { isKnownWhenBegun = true, isHiddenUntilComplete = true, dropsAborted = true, listsOpen = true } = settings;
  const { refusesUnknown = true } = settings;
  const begunButEmpty = isKnownWhenBegun ? 0 : null;

  const connect = async (): Promise<ObjectClient> => {
    const client = await createClient();
    onTestFinished(() => client.close());
    return client;
  };
  /** A key that no other test has. */
  const newKey = (): string => `pieces-${randomId()}/a file (1).bin`;

  describe(`pieces contract: ${title}`, () => {
    it("makes an object of its pieces, seen only when it is complete, with its metadata", async () => {
      const client = await connect();
      const upload = uploadOf(client, 2, 1000);
      const key = newKey();
      const id = await client.pieces.begin(key, upload);
      expect(await client.pieces.held(key, id, upload)).toBe(begunButEmpty);
      const [first, last] = upload.pieces as [Piece, Piece];
      await client.pieces.put(key, id, first, upload);
      expect(await client.pieces.held(key, id, upload)).toBe(1);
      expect(await client.head(key)).toBeNull();
      await client.pieces.put(key, id, last, upload);
      if (isHiddenUntilComplete) {
        expect(await client.pieces.held(key, id, upload)).toBe(2);
        expect(await client.head(key)).toBeNull();
        expect(await Array.fromAsync(client.list(key))).toEqual([]);
      }
      await client.pieces.complete(key, id, upload);
      await expectObject(client, key, upload);
      if (listsOpen) expect(await openUploads(client, key)).toEqual([]);
    });

    it("goes on with a fresh client after every step", async () => {
      const upload = uploadOf(await connect(), 3, 1);
      const key = newKey();
      const id = await (await connect()).pieces.begin(key, upload);
      for (const piece of upload.pieces) {
        await (await connect()).pieces.put(key, id, piece, upload);
        if (!piece.isLast) expect(await (await connect()).pieces.held(key, id, upload)).toBe(piece.index + 1);
      }
      await (await connect()).pieces.complete(key, id, upload);
      await expectObject(await connect(), key, upload);
    });

    it("takes a piece again", async () => {
      const client = await connect();
      const upload = uploadOf(client, 2, 5000);
      const key = newKey();
      const id = await client.pieces.begin(key, upload);
      const [first, last] = upload.pieces as [Piece, Piece];
      await client.pieces.put(key, id, first, upload);
      await client.pieces.put(key, id, first, upload);
      expect(await client.pieces.held(key, id, upload)).toBe(1);
      await client.pieces.put(key, id, last, upload);
      await client.pieces.complete(key, id, upload);
      await expectObject(client, key, upload);
    });

    it("counts pieces up to the first gap, and is not complete with one", async () => {
      const client = await connect();
      const upload = uploadOf(client, 3, 77);
      const key = newKey();
      const id = await client.pieces.begin(key, upload);
      const [first, middle, last] = upload.pieces as [Piece, Piece, Piece];
      await client.pieces.put(key, id, first, upload);
      // Some providers take pieces in order only: they refuse this one.
      await client.pieces.put(key, id, last, upload).catch(expectStoreError);
      expect(await client.pieces.held(key, id, upload)).toBe(1);
      await expect(client.pieces.complete(key, id, upload)).rejects.toMatchObject({ code: "VARVE_STORE" });
      expect(await client.head(key)).toBeNull();
      await client.pieces.put(key, id, middle, upload);
      await client.pieces.put(key, id, last, upload);
      await client.pieces.complete(key, id, upload);
      await expectObject(client, key, upload);
    });

    it("needs no empty last piece where all pieces are full", async () => {
      const client = await connect();
      const upload = uploadOf(client, 2, 0);
      expect(upload.pieces.map(({ bytes }) => bytes.length)).toEqual([upload.totalBytes / 2, upload.totalBytes / 2]);
      const key = newKey();
      const id = await client.pieces.begin(key, upload);
      for (const piece of upload.pieces) await client.pieces.put(key, id, piece, upload);
      await client.pieces.complete(key, id, upload);
      await expectObject(client, key, upload);
    });

    it("replaces an object, which is whole until then", async () => {
      const client = await connect();
      const upload = uploadOf(client, 1, 3000);
      const key = newKey();
      await client.put(key, new Uint8Array([1, 2, 3]));
      const id = await client.pieces.begin(key, upload);
      expect(await client.get(key)).toEqual(new Uint8Array([1, 2, 3]));
      for (const piece of upload.pieces) await client.pieces.put(key, id, piece, upload);
      if (isHiddenUntilComplete) expect(await client.get(key)).toEqual(new Uint8Array([1, 2, 3]));
      await client.pieces.complete(key, id, upload);
      await expectObject(client, key, upload);
    });

    it("keeps two uploads of one key apart", async () => {
      const client = await connect();
      const one = uploadOf(client, 2, 10, 1);
      const other = uploadOf(client, 2, 10, 2);
      const key = newKey();
      const oneId = await client.pieces.begin(key, one);
      const otherId = await client.pieces.begin(key, other);
      expect(oneId).not.toBe(otherId);
      await client.pieces.put(key, oneId, one.pieces[0] as Piece, one);
      for (const piece of other.pieces) await client.pieces.put(key, otherId, piece, other);
      expect(await client.pieces.held(key, oneId, one)).toBe(1);
      await client.pieces.complete(key, otherId, other);
      await expectObject(client, key, other);
      await client.pieces.abort(key, oneId);
      await expectObject(client, key, other);
    });

    it("is gone when it is aborted, and may be aborted again", async () => {
      const client = await connect();
      const upload = uploadOf(client, 2, 10);
      const key = newKey();
      const id = await client.pieces.begin(key, upload);
      await client.pieces.put(key, id, upload.pieces[0] as Piece, upload);
      await client.pieces.abort(key, id);
      await client.pieces.abort(key, id);
      expect(await client.head(key)).toBeNull();
      if (!dropsAborted) return;
      expect(await client.pieces.held(key, id, upload)).toBeNull();
      await expect(client.pieces.put(key, id, upload.pieces[1] as Piece, upload)).rejects.toMatchObject({
        code: "VARVE_STORE",
        ...(refusesUnknown && { retryable: false }),
      });
      await expect(client.pieces.complete(key, id, upload)).rejects.toMatchObject({ code: "VARVE_STORE" });
      expect(await client.head(key)).toBeNull();
    });

    it("knows no upload that is over, and leaves the object alone when that is aborted", async () => {
      const client = await connect();
      const upload = uploadOf(client, 1, 100);
      const key = newKey();
      const id = await client.pieces.begin(key, upload);
      for (const piece of upload.pieces) await client.pieces.put(key, id, piece, upload);
      await client.pieces.complete(key, id, upload);
      await client.pieces.abort(key, id);
      await expectObject(client, key, upload);
      if (isHiddenUntilComplete) expect(await client.pieces.held(key, id, upload)).toBeNull();
    });

    const itLists = listsOpen ? it : ignored;
    itLists("finds uploads that are under way, below a prefix", async () => {
      const client = await connect();
      const upload = uploadOf(client, 2, 10);
      const folder = `pieces-${randomId()}/`;
      const keys = ["a/1 & <2>.bin", "a/ü", "b/1"].map((name) => folder + name);
      const begun: { key: string; id: string }[] = [];
      for (const key of keys) {
        const id = await client.pieces.begin(key, upload);
        await client.pieces.put(key, id, upload.pieces[0] as Piece, upload);
        begun.push({ key, id });
      }
      expect(await openUploads(await connect(), folder)).toEqual(begun);
      expect(await openUploads(client, `${folder}a/`)).toEqual(begun.slice(0, 2));
      expect(await openUploads(client, `${folder}none`)).toEqual([]);
      for (const { key, id } of begun) await client.pieces.abort(key, id);
      if (dropsAborted) expect(await openUploads(client, folder)).toEqual([]);
    });

    it("rejects at once when its signal is aborted, and sends nothing", async () => {
      const client = await connect();
      const upload = uploadOf(client, 2, 10);
      const key = newKey();
      const id = await client.pieces.begin(key, upload);
      const signal = AbortSignal.abort();
      const aborted = { code: "VARVE_STORE", kind: "aborted", retryable: false };
      const piece = upload.pieces[0] as Piece;
      await expect(client.pieces.put(key, id, piece, { ...upload, signal })).rejects.toMatchObject(aborted);
      await expect(client.pieces.held(key, id, { ...upload, signal })).rejects.toMatchObject(aborted);
      await expect(client.pieces.complete(key, id, { ...upload, signal })).rejects.toMatchObject(aborted);
      expect(await client.pieces.held(key, id, upload)).toBe(begunButEmpty);
      await client.pieces.abort(key, id);
    });
  });
}

/** @param lastBytes - of the last piece; 0 for a full one */
function uploadOf({ pieces }: ObjectClient, pieceCount: number, lastBytes: number, seed = 0): Upload {
  const usual = pieces.pieceBytes(1);
  const totalBytes = lastBytes === 0 ? pieceCount * usual : (pieceCount - 1) * usual + lastBytes;
  const pieceBytes = pieces.pieceBytes(totalBytes);
  const content = patternOf(totalBytes, seed);
  const metadata = { sha256: createHash("sha256").update(content).digest("hex") };
  const list: Piece[] = [];
  for (let offset = 0; offset < totalBytes; offset += pieceBytes) {
    const bytes = content.subarray(offset, offset + pieceBytes);
    list.push({ index: list.length, offset, bytes, isLast: offset + bytes.length === totalBytes });
  }
  expect(list).toHaveLength(pieceCount);
  return { content, totalBytes, metadata, pieces: list };
}

/** Different in every piece, so that two of them cannot change places unnoticed. */
function patternOf(length: number, seed: number): Uint8Array {
  const content = new Uint8Array(length);
  const words = new Uint32Array(content.buffer, 0, Math.floor(length / 4));
  for (let index = 0; index < words.length; index++) words[index] = Math.imul(index + seed, 2_654_435_761);
  return content;
}

async function expectObject(client: ObjectClient, key: string, { content, metadata }: Upload): Promise<void> {
  const got = await client.get(key);
  expect(got !== null && Buffer.compare(got, content) === 0, "the object is not the file").toBe(true);
  expect(await client.head(key)).toMatchObject({ key, sizeBytes: content.length, metadata });
}

/** In order of key; providers promise none. */
async function openUploads(client: ObjectClient, prefix: string): Promise<Pick<OpenUpload, "key" | "id">[]> {
  const found = await Array.fromAsync(client.pieces.open(prefix));
  for (const { startedAtMs } of found) expect(startedAtMs === null || startedAtMs > 0).toBe(true);
  return found.map(({ key, id }) => ({ key, id })).sort((one, other) => (one.key < other.key ? -1 : 1));
}

function expectStoreError(error: unknown): void {
  expect(error).toMatchObject({ code: "VARVE_STORE" });
}

/** A test that is not there, in place of one that is skipped. */
function ignored(_title: string, _body: () => Promise<void>): void {}
