import { appendFile, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  abortAbandonedUploads,
  abortOrphanedUploads,
} from "../../../../src/checkpoint/cloud/files/abandoned-uploads.ts";
import { uploadFile } from "../../../../src/checkpoint/cloud/files/upload-file.ts";
import { StoreError } from "../../../../src/errors.ts";
import { connectFolder } from "../../../../src/store/folder/folder-client.ts";
import { nodeFileSystem } from "../../../../src/store/node-file-system.ts";
import { interceptFileSystem } from "../../../../src/testing/intercept-file-system.ts";
import { brokenConnection, type ClientInterceptor } from "./intercept-client.ts";
import { KEY, leftovers, newPlace, newProcess, noise, openUploads, PIECE_BYTES, sha256 } from "./support.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const metadata = { sha256: sha256(noise(4500)) };
const clockAt = (nowMs: number) => ({ now: () => nowMs, monotonicMs: () => 0 });
const cut: ClientInterceptor = async (call, proceed) => {
  if (call.index === 2) throw brokenConnection(call);
  return proceed();
};

describe("abandoned uploads", () => {
  it("are those below the prefix that were begun longer ago than a week, or than is asked for", async () => {
    const place = await newPlace(noise(1));
    const beginAt = (nowMs: number, key: string) =>
      connectFolder(place.bucketFolder, { pieceBytes: PIECE_BYTES, clock: clockAt(nowMs) }).pieces.begin(key, {
        totalBytes: 4500,
        metadata,
      });
    await beginAt(0, "project/old");
    await beginAt(3 * DAY_MS, "project/young");
    await beginAt(0, "other/old");
    const { transfers } = newProcess(place, undefined, { clock: clockAt(8 * DAY_MS) });
    const left = async (): Promise<string[]> =>
      (await Array.fromAsync(place.bucket.pieces.open(""))).map(({ key }) => key).sort();
    expect(await abortAbandonedUploads(transfers, "project/")).toBe(1);
    expect(await left()).toEqual(["other/old", "project/young"]);
    expect(await abortAbandonedUploads(transfers, "project/", { olderThanMs: DAY_MS })).toBe(1);
    expect(await left()).toEqual(["other/old"]);
    expect(await abortAbandonedUploads(transfers, "")).toBe(1);
    expect(await left()).toEqual([]);
  });

  it("are not those of this process, nor those whose age the provider does not tell", async () => {
    const place = await newPlace(noise(4500));
    const own = newProcess(place, cut, { clock: clockAt(Date.now() + 100 * DAY_MS) });
    await expect(uploadFile(own.transfers, { localPath: place.localPath, key: KEY })).rejects.toBeDefined();
    expect(await abortAbandonedUploads(own.transfers, "")).toBe(0);
    const restarted = newProcess(place, cut, { clock: own.transfers.clock });
    await expect(uploadFile(restarted.transfers, { localPath: place.localPath, key: KEY })).rejects.toBeDefined();
    expect(await abortAbandonedUploads(restarted.transfers, "")).toBe(0);
    const undated = newProcess(place, undefined, own.transfers);
    const { pieces } = place.bucket;
    const client = {
      ...undated.transfers.client,
      pieces: {
        ...undated.transfers.client.pieces,
        open: async function* (prefix: string) {
          for await (const upload of pieces.open(prefix)) yield { ...upload, startedAtMs: null };
        },
      },
    };
    expect(await abortAbandonedUploads({ ...undated.transfers, client, begun: new Map() }, "")).toBe(0);
    expect(await openUploads(place)).toBe(1);
    expect(await abortAbandonedUploads({ ...own.transfers, begun: new Map() }, "")).toBe(1);
    expect(await openUploads(place)).toBe(0);
  });

  it("of files that are gone or changed are found by their journals, and their journals removed", async () => {
    for (const change of ["gone", "cut off", "replaced", "longer", "well"] as const) {
      const place = await newPlace(noise(4500));
      const first = newProcess(place, cut);
      await expect(uploadFile(first.transfers, { localPath: place.localPath, key: KEY })).rejects.toBeDefined();
      if (change === "gone") await rm(place.localPath);
      if (change === "cut off") await writeFile(place.localPath, noise(4499));
      // Its own next upload reads it, and sees whether it goes on.
      if (change === "longer") await appendFile(place.localPath, "x");
      if (change === "replaced") {
        await writeFile(`${place.localPath}.new`, noise(4501));
        await rename(`${place.localPath}.new`, place.localPath);
      }
      const isKept = change === "well" || change === "longer";
      // Who has begun it may go on with it.
      expect(await abortOrphanedUploads(first.transfers, place.folder)).toBe(0);
      const { transfers } = newProcess(place);
      expect(await abortOrphanedUploads(transfers, place.folder)).toBe(isKept ? 0 : 1);
      expect(await openUploads(place)).toBe(isKept ? 1 : 0);
      expect(await leftovers(place)).toHaveLength(isKept ? 1 : 0);
    }
  });

  it("of another bucket, and what is no journal, are left alone", async () => {
    const place = await newPlace(noise(4500));
    const first = newProcess(place, cut);
    await expect(uploadFile(first.transfers, { localPath: place.localPath, key: KEY })).rejects.toBeDefined();
    await rm(place.localPath);
    await writeFile(join(place.folder, ".x.varve-upload.json"), "{}");
    const other = newProcess(await newPlace(noise(1)));
    expect(await abortOrphanedUploads(other.transfers, place.folder)).toBe(0);
    expect(other.calls).toEqual([]);
    expect(other.warnings).toEqual([expect.stringContaining(".x.varve-upload.json")]);
    expect(await readdir(place.folder)).toHaveLength(2);
    expect(await openUploads(place)).toBe(1);
  });

  it.each([
    ["a key that walks", { key: "../.." }],
    ["a key with a control character", { key: "a\0b" }],
    ["a key that the bucket keeps for itself", { key: ".varve-uploads/x" }],
    ["a name longer than any", { fileName: "x".repeat(5000) }],
    ["the folder itself", { fileName: "." }],
    ["the folder above", { fileName: ".." }],
  ])("come to their end beside a journal that was tampered with, which names %s", async (_, lie) => {
    const place = await newPlace(noise(4500));
    const first = newProcess(place, cut);
    await expect(uploadFile(first.transfers, { localPath: place.localPath, key: KEY })).rejects.toBeDefined();
    const [name = ""] = await leftovers(place);
    const record = JSON.parse(await readFile(join(place.folder, name), "utf8")) as object;
    // Both before and after it in any order of the folder.
    for (const other of [".a", ".z"]) {
      const tampered = JSON.stringify({ ...record, id: "f".repeat(32), ...lie });
      await writeFile(join(place.folder, `${other}.varve-upload.json`), tampered);
    }
    await rm(place.localPath);
    const looked: string[] = [];
    const files = interceptFileSystem(nodeFileSystem, ({ operation, path }, proceed) => {
      if (operation === "info") looked.push(path);
      return proceed();
    });
    const { transfers, calls } = newProcess(place, undefined, { files });
    await abortOrphanedUploads(transfers, place.folder);
    expect(await openUploads(place)).toBe(0);
    expect(calls.every(({ operation }) => operation === "abort")).toBe(true);
    for (const path of looked) expect(dirname(path)).toBe(place.folder);
  });

  it("do not take the journal of a newer upload of the file with them", async () => {
    const place = await newPlace(noise(4500));
    const upload = { localPath: place.localPath, key: KEY };
    await expect(uploadFile(newProcess(place, cut).transfers, upload)).rejects.toBeDefined();
    await writeFile(place.localPath, noise(4499));
    let isCleaning = true;
    const cleaner = newProcess(place, async (call, proceed) => {
      if (call.operation === "abort" && isCleaning) {
        isCleaning = false;
        // While the old one is being aborted, the file's own upload gives it up too and begins anew.
        await expect(uploadFile(cleaner.transfers, upload)).rejects.toMatchObject({ kind: "network" });
      }
      return cut(call, proceed);
    });
    await abortOrphanedUploads(cleaner.transfers, place.folder);
    expect(await leftovers(place)).toHaveLength(1);
    const restarted = newProcess(place);
    await uploadFile(restarted.transfers, upload);
    expect(restarted.requests).toEqual(["held", "piece 2", "piece 3", "piece 4", "complete"]);
  });

  it("keep their journal while the store cannot be reached, and lose it where aborting is not allowed", async () => {
    const place = await newPlace(noise(4500));
    const first = newProcess(place, cut);
    await expect(uploadFile(first.transfers, { localPath: place.localPath, key: KEY })).rejects.toBeDefined();
    await rm(place.localPath);
    const unreachable = newProcess(place, async (call) => {
      throw brokenConnection(call);
    });
    await abortOrphanedUploads(unreachable.transfers, place.folder);
    expect(unreachable.warnings).toEqual([expect.stringContaining("could not be aborted")]);
    expect(await leftovers(place)).toHaveLength(1);
    const forbidden = newProcess(place, async ({ key }) => {
      throw new StoreError("permission", "abort", key, "HTTP 403");
    });
    await abortOrphanedUploads(forbidden.transfers, place.folder);
    expect(forbidden.warnings).toHaveLength(1);
    expect(await leftovers(place)).toEqual([]);
  });
});
