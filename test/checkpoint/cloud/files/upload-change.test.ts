import { appendFile, open, readFile, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { uploadFile } from "../../../../src/checkpoint/cloud/files/upload-file.ts";
import { nodeFileSystem } from "../../../../src/store/node-file-system.ts";
import { interceptFileSystem } from "../../../../src/testing/intercept-file-system.ts";
import { describeCall } from "./intercept-client.ts";
import { KEY, leftovers, newPlace, newProcess, noise, openUploads, PIECE_BYTES, type Place } from "./support.ts";

const CONTENT = noise(4500);

/** Changes the last byte and puts the time back: only the content tells. */
async function forge(path: string): Promise<void> {
  const { atime, mtime, mtimeMs } = await stat(path);
  const file = await open(path, "r+");
  await file.write(new Uint8Array([(CONTENT[4499] ?? 0) ^ 1]), 0, 1, 4499);
  await file.close();
  await utimes(path, atime, mtime);
  // Times are set with less precision than they are kept with: the test has rounded the time before.
  expect((await stat(path)).mtimeMs).toBe(mtimeMs);
}

const changes: Readonly<Record<string, (path: string) => Promise<void>>> = {
  "is appended to": (path) => appendFile(path, "x"),
  "is cut off": (path) => writeFile(path, noise(100)),
  "is written again, as long as before": async (path) => {
    await writeFile(path, noise(4500, 2));
    await utimes(path, 1, 1);
  },
  "is replaced by another of the same size and time": async (path) => {
    const { atime, mtime } = await stat(path);
    await writeFile(`${path}.new`, noise(4500, 2));
    await utimes(`${path}.new`, atime, mtime);
    await rename(`${path}.new`, path);
  },
  "is removed": (path) => rm(path),
  "gets another last byte and its old time": forge,
};

/** The changed file must not be seen in the store, nor anything of it be left. */
async function expectNothingLeft(place: Place, before: Uint8Array | null): Promise<void> {
  expect(await place.bucket.get(KEY)).toEqual(before);
  expect(await openUploads(place)).toBe(0);
  expect(await leftovers(place)).toEqual([]);
}

describe("a large file that changes while it is uploaded", () => {
  const stages = ["head", "begin", "piece 0", "piece 2", "piece 4"];
  const cases = Object.keys(changes).flatMap((change) => stages.map((stage) => ({ change, stage })));

  it.each(cases)("is not uploaded: $change at $stage", async ({ change, stage }) => {
    const place = await newPlace(CONTENT);
    await utimes(place.localPath, 1_700_000_000, 1_700_000_000);
    await place.bucket.put(KEY, noise(3));
    let hasChanged = false;
    const { transfers, warnings } = newProcess(place, async (call, proceed) => {
      if (describeCall(call) === stage && !hasChanged) {
        hasChanged = true;
        await changes[change]?.(place.localPath);
      }
      return proceed();
    });
    const upload = { localPath: place.localPath, key: KEY };
    // All of the file has been read and checked then: what is sent is the file as it was.
    if (stage === "piece 4") {
      await uploadFile(transfers, upload);
      expect(await place.bucket.get(KEY)).toEqual(CONTENT);
      return;
    }
    await expect(uploadFile(transfers, upload)).rejects.toMatchObject({
      code: "VARVE_FILE_CHANGED",
      path: place.localPath,
    });
    expect(hasChanged).toBe(true);
    await expectNothingLeft(place, noise(3));
    const again = uploadFile(transfers, upload);
    if (change === "is removed") {
      await expect(again).rejects.toMatchObject({ kind: "not-found", retryable: false });
      return;
    }
    expect(await again).toMatchObject({ isUnchanged: false });
    expect(await place.bucket.get(KEY)).toEqual(new Uint8Array(await readFile(place.localPath)));
    expect(warnings).toEqual([]);
  });

  it("is not uploaded if it changes while its checksum is taken", async () => {
    const place = await newPlace(CONTENT);
    const files = interceptFileSystem(nodeFileSystem, async ({ operation }, proceed) => {
      if (operation === "read") await appendFile(place.localPath, "x");
      return proceed();
    });
    const { transfers, requests } = newProcess(place, undefined, { files });
    const upload = { localPath: place.localPath, key: KEY };
    await expect(uploadFile(transfers, upload)).rejects.toMatchObject({ code: "VARVE_FILE_CHANGED" });
    expect(requests).toEqual([]);
  });

  it.each(Object.keys(changes).filter((change) => change !== "is removed"))(
    "between two processes begins anew, and what was sent is aborted: %s",
    async (change) => {
      const place = await newPlace(CONTENT);
      await utimes(place.localPath, 1_700_000_000, 1_700_000_000);
      const upload = { localPath: place.localPath, key: KEY };
      const first = newProcess(place, async (call, proceed) => {
        if (call.index === 3) throw new Error("power is gone");
        return proceed();
      });
      await expect(uploadFile(first.transfers, upload)).rejects.toThrow("power is gone");
      expect(await openUploads(place)).toBe(1);
      await changes[change]?.(place.localPath);
      const second = newProcess(place);
      // Only the forged one looks like the file that the journal tells of.
      if (change.startsWith("gets")) {
        await expect(uploadFile(second.transfers, upload)).rejects.toMatchObject({ code: "VARVE_FILE_CHANGED" });
      }
      await uploadFile(second.transfers, upload);
      expect(second.requests).toContain("abort");
      expect(await openUploads(place)).toBe(0);
      expect(await leftovers(place)).toEqual([]);
    },
  );
});

describe("a small file that changes while it is read", () => {
  /** Appends a line at each of the first so many reads. */
  const growing = (place: Place, times: number) =>
    interceptFileSystem(nodeFileSystem, async ({ operation }, proceed) => {
      if (operation === "read" && times-- > 0) await appendFile(place.localPath, "0123456789");
      return proceed();
    });

  it.each([1, 2])("is read again until it is at rest (%d times)", async (times) => {
    const place = await newPlace(noise(100));
    const { transfers, requests } = newProcess(place, undefined, { files: growing(place, times) });
    const result = await uploadFile(transfers, { localPath: place.localPath, key: KEY });
    expect(result.bytes).toBe(100 + 10 * times);
    expect((await place.bucket.head(KEY))?.sizeBytes).toBe(100 + 10 * times);
    expect(requests).toEqual(["head", "put"]);
  });

  it("and never rests is given up before anything is sent", async () => {
    const place = await newPlace(noise(100));
    const { transfers, requests } = newProcess(place, undefined, { files: growing(place, 1000) });
    const upload = uploadFile(transfers, { localPath: place.localPath, key: KEY });
    await expect(upload).rejects.toMatchObject({ code: "VARVE_FILE_CHANGED" });
    expect(requests).toEqual([]);
  });

  it("and outgrows a piece goes in pieces", async () => {
    const place = await newPlace(noise(PIECE_BYTES - 5));
    const { transfers, requests } = newProcess(place, undefined, { files: growing(place, 1) });
    await uploadFile(transfers, { localPath: place.localPath, key: KEY });
    expect(requests).toEqual(["head", "begin", "piece 0", "piece 1", "complete"]);
    expect((await place.bucket.head(KEY))?.sizeBytes).toBe(PIECE_BYTES + 5);
  });

  it("and had been large aborts the upload that was begun then", async () => {
    const place = await newPlace(CONTENT);
    const upload = { localPath: place.localPath, key: KEY };
    const first = newProcess(place, async (call, proceed) => {
      if (call.index === 1) throw new Error("power is gone");
      return proceed();
    });
    await expect(uploadFile(first.transfers, upload)).rejects.toThrow("power is gone");
    await writeFile(place.localPath, noise(10));
    await uploadFile(newProcess(place).transfers, upload);
    await expectNothingLeft(place, noise(10));
  });
});

describe("what cannot be uploaded", () => {
  it("is told by kind: no file, a folder, a link", async () => {
    const place = await newPlace(noise(10));
    const { transfers, requests } = newProcess(place);
    await symlink(place.localPath, `${place.localPath}.link`);
    const upload = (localPath: string) => uploadFile(transfers, { localPath, key: KEY });
    await expect(upload(`${place.localPath}.gone`)).rejects.toMatchObject({ kind: "not-found", retryable: false });
    await expect(upload(place.folder)).rejects.toMatchObject({ kind: "unsupported", retryable: false });
    await expect(upload(`${place.localPath}.link`)).rejects.toMatchObject({
      kind: "unsupported",
      hint: "Give the real path.",
    });
    expect(requests).toEqual([]);
  });
});
