import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { connectFolder } from "../../../src/store/folder/folder-client.ts";
import type { ObjectClient, Piece } from "../../../src/store/object-client.ts";
import { piecesContract } from "../clouds/pieces-contract.ts";
import { temporaryFolder } from "../temporary-folder.ts";

/** Three pieces of 4 bytes and one of 2. */
const CONTENT = new TextEncoder().encode("0123456789abcd");
const metadata = { sha256: createHash("sha256").update(CONTENT).digest("hex") };
const upload = { totalBytes: 14, metadata };

const pieceOf = (index: number): Piece => {
  const bytes = CONTENT.subarray(index * 4, index * 4 + 4);
  return { index, offset: index * 4, bytes, isLast: index === 3 };
};

const connect = (folder: string): ObjectClient => connectFolder(folder, { pieceBytes: 4 });

const sendPieces = async (client: ObjectClient, id: string, indexes: readonly number[]): Promise<void> => {
  for (const index of indexes) await client.pieces.put("a b/k", id, pieceOf(index), upload);
};

const openUploads = (client: ObjectClient, prefix = ""): Promise<unknown[]> =>
  Array.fromAsync(client.pieces.open(prefix));

const contractFolder = await mkdtemp(join(tmpdir(), "varve-pieces-"));
afterAll(() => rm(contractFolder, { recursive: true }));
piecesContract("a folder", async () => connectFolder(contractFolder, { pieceBytes: 10_000 }));

describe("uploads in pieces into a folder", () => {
  it("show nothing before they are complete, then the whole, and leave nothing beside it", async () => {
    const folder = await temporaryFolder();
    const client = connect(folder);
    const id = await client.pieces.begin("a b/k", upload);
    await sendPieces(client, id, [0, 1, 2, 3]);
    expect(await client.head("a b/k")).toBeNull();
    expect(await Array.fromAsync(client.list(""))).toEqual([]);
    await client.pieces.complete("a b/k", id, upload);
    expect(await client.get("a b/k")).toEqual(CONTENT);
    expect(await client.head("a b/k")).toMatchObject({ sizeBytes: 14, metadata });
    expect(await readdir(join(folder, ".varve-uploads"))).toEqual([]);
    expect(await client.pieces.held("a b/k", id, upload)).toBeNull();
  });

  it("tell a client of another process how many pieces they hold, without a gap from the first", async () => {
    const folder = await temporaryFolder();
    const id = await connect(folder).pieces.begin("a b/k", upload);
    const held = (): Promise<number | null> => connect(folder).pieces.held("a b/k", id, upload);
    expect(await held()).toBe(0);
    await sendPieces(connect(folder), id, [0, 2]);
    expect(await held()).toBe(1);
    await sendPieces(connect(folder), id, [0, 1]);
    expect(await held()).toBe(3);
    await sendPieces(connect(folder), id, [3]);
    expect(await held()).toBe(4);
    await connect(folder).pieces.complete("a b/k", id, upload);
    expect(await connect(folder).get("a b/k")).toEqual(CONTENT);
  });

  it("are not complete while a piece is missing", async () => {
    const client = connect(await temporaryFolder());
    const id = await client.pieces.begin("a b/k", upload);
    await sendPieces(client, id, [0, 1, 3]);
    await expect(client.pieces.complete("a b/k", id, upload)).rejects.toMatchObject({ kind: "unsupported" });
    expect(await client.get("a b/k")).toBeNull();
    await sendPieces(client, id, [2]);
    await client.pieces.complete("a b/k", id, upload);
    expect(await client.get("a b/k")).toEqual(CONTENT);
  });

  it("take no piece of a wrong size or place, and nothing under another key, id or size", async () => {
    const client = connect(await temporaryFolder());
    const id = await client.pieces.begin("a b/k", upload);
    const wrong: readonly Piece[] = [
      { ...pieceOf(0), bytes: CONTENT.subarray(0, 3) },
      { ...pieceOf(0), bytes: CONTENT.subarray(0, 5) },
      { ...pieceOf(1), offset: 3 },
      { ...pieceOf(1), isLast: true },
      { ...pieceOf(3), isLast: false },
      { index: 4, offset: 16, bytes: new Uint8Array(0), isLast: true },
    ];
    for (const piece of wrong) {
      await expect(client.pieces.put("a b/k", id, piece, upload)).rejects.toMatchObject({ kind: "unsupported" });
    }
    const gone = { kind: "not-found", retryable: false };
    await expect(client.pieces.put("other", id, pieceOf(0), upload)).rejects.toMatchObject(gone);
    for (const other of ["../../etc/x", "0".repeat(32), ""]) {
      await expect(client.pieces.put("a b/k", other, pieceOf(0), upload)).rejects.toMatchObject(gone);
      await expect(client.pieces.complete("a b/k", other, upload)).rejects.toMatchObject(gone);
      expect(await client.pieces.held("a b/k", other, upload)).toBeNull();
      await client.pieces.abort("a b/k", other);
    }
    expect(await client.pieces.held("other", id, upload)).toBeNull();
    expect(await client.pieces.held("a b/k", id, { totalBytes: 15 })).toBeNull();
    await client.pieces.abort("other", id);
    expect(await client.pieces.held("a b/k", id, upload)).toBe(0);
  });

  it("never become an object of another content than they were begun for", async () => {
    const folder = await temporaryFolder();
    const client = connect(folder);
    await client.put("a b/k", new Uint8Array([1]));
    const id = await client.pieces.begin("a b/k", upload);
    await sendPieces(client, id, [0, 1, 2, 3]);
    await client.pieces.put("a b/k", id, { ...pieceOf(1), bytes: new Uint8Array(4) }, upload);
    await expect(client.pieces.complete("a b/k", id, upload)).rejects.toMatchObject({ kind: "io", retryable: true });
    expect(await client.get("a b/k")).toEqual(new Uint8Array([1]));
    expect(await readdir(join(folder, "a b"))).toEqual(["k"]);
  });

  it("can be found with their age, and aborted without a trace", async () => {
    const folder = await temporaryFolder();
    const clock = { now: () => 1234, monotonicMs: () => 0 };
    const client = connectFolder(folder, { pieceBytes: 4, clock });
    const id = await client.pieces.begin("a b/k", upload);
    const other = await client.pieces.begin("c", upload);
    await sendPieces(client, id, [0, 1]);
    expect(await openUploads(client, "a b/")).toEqual([{ key: "a b/k", id, startedAtMs: 1234 }]);
    expect(await openUploads(client)).toHaveLength(2);
    await client.pieces.abort("a b/k", id);
    await client.pieces.abort("a b/k", id);
    expect(await openUploads(client)).toEqual([{ key: "c", id: other, startedAtMs: 1234 }]);
    expect(await readdir(join(folder, ".varve-uploads"))).toEqual([`${other}.json`]);
  });

  it("are unknown when their record is damaged or gone", async () => {
    const folder = await temporaryFolder();
    const client = connect(folder);
    for (const damage of ["", "{", "[]", '{"key":"a b/k"}']) {
      const id = await client.pieces.begin("a b/k", upload);
      await writeFile(join(folder, ".varve-uploads", `${id}.json`), damage);
      expect(await client.pieces.held("a b/k", id, upload)).toBeNull();
      expect(await openUploads(client)).toEqual([]);
      await unlink(join(folder, ".varve-uploads", `${id}.json`));
      expect(await client.pieces.held("a b/k", id, upload)).toBeNull();
    }
  });
});
