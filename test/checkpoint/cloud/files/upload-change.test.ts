import { appendFile, open, readFile, rename, rm, stat, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { uploadFile } from "../../../../src/checkpoint/cloud/files/upload-file.ts";
import { nodeFileSystem } from "../../../../src/store/node-file-system.ts";
import { interceptFileSystem } from "../../../../src/testing/intercept-file-system.ts";
import { describeCall } from "./intercept-client.ts";
import {
  KEY,
  leftovers,
  newPlace,
  newProcess,
  noise,
  openUploads,
  PIECE_BYTES,
  type Place,
  sha256,
} from "./support.ts";

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
  "is written again, longer than before": (path) => writeFile(path, noise(5500, 2)),
  "is cut off, and grows longer than before": async (path) => {
    await truncate(path, 0);
    await appendFile(path, noise(4501, 3));
  },
  "gets another first byte and more at its end": async (path) => {
    await appendFile(path, noise(100));
    const file = await open(path, "r+");
    await file.write(new Uint8Array([(CONTENT[0] ?? 0) ^ 1]), 0, 1, 0);
    await file.close();
  },
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
  /** What was read before, is not read again. */
  const isTooLate = (change: string, stage: string): boolean =>
    stage === "piece 4" || (change.startsWith("gets another first") && /piece/.test(stage));
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
    // What has been read and checked by then is sent as it was.
    if (isTooLate(change, stage)) {
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

  it("is not uploaded if it is cut off while its checksum is taken", async () => {
    const place = await newPlace(CONTENT);
    const files = interceptFileSystem(nodeFileSystem, async ({ operation }, proceed) => {
      const answer: unknown = await proceed();
      if (operation === "read") await truncate(place.localPath, 4499);
      return answer;
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
      if (change.startsWith("gets another last")) {
        await expect(uploadFile(second.transfers, upload)).rejects.toMatchObject({ code: "VARVE_FILE_CHANGED" });
      }
      await uploadFile(second.transfers, upload);
      expect(second.requests).toContain("abort");
      expect(await openUploads(place)).toBe(0);
      expect(await leftovers(place)).toEqual([]);
    },
  );
});

describe("a large file that grows while it is uploaded", () => {
  const upload = ({ localPath }: Place) => ({ localPath, key: KEY });
  const stored = async ({ bucket }: Place) => ({ content: await bucket.get(KEY), head: await bucket.head(KEY) });

  it("goes up as long as it was at the beginning; the rest is for the next upload", async () => {
    const place = await newPlace(CONTENT);
    const line = new TextEncoder().encode("a line\n");
    let isWritten = true;
    const grow = async (): Promise<void> => {
      if (isWritten) await appendFile(place.localPath, line);
    };
    const files = interceptFileSystem(nodeFileSystem, async ({ operation }, proceed) => {
      const answer: unknown = await proceed();
      if (operation === "read") await grow();
      return answer;
    });
    const { transfers, requests, warnings } = newProcess(
      place,
      async (_, proceed) => {
        await grow();
        return proceed();
      },
      { files },
    );
    const first = await uploadFile(transfers, upload(place));
    expect(first).toEqual({ bytes: 4500, isUnchanged: false, sha256: sha256(CONTENT) });
    const { content, head } = await stored(place);
    expect(content).toEqual(CONTENT);
    expect(head).toMatchObject({ metadata: { sha256: sha256(CONTENT) } });
    isWritten = false;
    const whole = new Uint8Array(await readFile(place.localPath));
    expect(whole.length).toBeGreaterThan(4500 + 10 * line.length);
    expect(await uploadFile(transfers, upload(place))).toMatchObject({ bytes: whole.length, isUnchanged: false });
    expect((await stored(place)).content).toEqual(whole);
    expect(await uploadFile(transfers, upload(place))).toMatchObject({ isUnchanged: true });
    expect(requests.filter((request) => request === "begin")).toHaveLength(2);
    expect(await leftovers(place)).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it("is not given up when its time changes a moment before its size does", async () => {
    const place = await newPlace(CONTENT);
    const { transfers } = newProcess(place, async (call, proceed) => {
      if (call.index === 1) await utimes(place.localPath, 5, 5);
      if (call.index === 2) await appendFile(place.localPath, "x");
      return proceed();
    });
    await uploadFile(transfers, upload(place));
    expect((await stored(place)).content).toEqual(CONTENT);
  });

  /** Breaks off before the fourth piece. */
  async function brokenOff(place: Place): Promise<void> {
    const { transfers } = newProcess(place, async (call, proceed) => {
      if (call.index === 3) throw new Error("power is gone");
      return proceed();
    });
    await expect(uploadFile(transfers, upload(place))).rejects.toThrow("power is gone");
  }

  it("between two processes goes on where it stopped, and then up to what it is now", async () => {
    const place = await newPlace(CONTENT);
    await brokenOff(place);
    await appendFile(place.localPath, noise(700, 5));
    const { transfers, requests } = newProcess(place);
    const resumed = ["held", "piece 3", "piece 4", "complete"];
    expect(await uploadFile(transfers, { ...upload(place), leastBytes: 4500 })).toMatchObject({ bytes: 4500 });
    expect(requests).toEqual(resumed);
    expect((await stored(place)).content).toEqual(CONTENT);

    await brokenOff(place);
    const longer = await readFile(place.localPath);
    await appendFile(place.localPath, noise(2000, 6));
    requests.length = 0;
    const { size } = await stat(place.localPath);
    expect(await uploadFile(transfers, { ...upload(place), leastBytes: size })).toMatchObject({ bytes: size });
    expect(requests.slice(0, 6)).toEqual(["held", "piece 3", "piece 4", "piece 5", "complete", "head"]);
    expect(longer.length).toBe(5200);
    expect((await stored(place)).content).toEqual(new Uint8Array(await readFile(place.localPath)));
    expect(await openUploads(place)).toBe(0);
    expect(await leftovers(place)).toEqual([]);
  });

  it("between two processes, and was completed by the first, is sent as it is now", async () => {
    const place = await newPlace(CONTENT);
    const first = newProcess(place, async (call, proceed) => {
      const answer: unknown = await proceed();
      if (call.operation === "complete") throw new Error("power is gone");
      return answer;
    });
    await expect(uploadFile(first.transfers, upload(place))).rejects.toThrow("power is gone");
    await appendFile(place.localPath, "more");
    const { transfers } = newProcess(place);
    expect(await uploadFile(transfers, { ...upload(place), leastBytes: 4504 })).toMatchObject({ bytes: 4504 });
    expect((await place.bucket.head(KEY))?.sizeBytes).toBe(4504);
    expect(await openUploads(place)).toBe(0);
  });

  it("and has other first bytes is begun anew at once, without a piece of the old", async () => {
    const place = await newPlace(CONTENT);
    await brokenOff(place);
    await writeFile(place.localPath, noise(4600, 9));
    const { transfers, requests } = newProcess(place);
    await uploadFile(transfers, upload(place));
    expect(requests.slice(0, 4)).toEqual(["abort", "head", "begin", "piece 0"]);
    expect((await stored(place)).content).toEqual(noise(4600, 9));
    expect(await openUploads(place)).toBe(0);
  });
});

describe("a small file that changes while it is read", () => {
  /** Appends a line at each of the first so many reads. */
  const growing = (place: Place, times: number) =>
    interceptFileSystem(nodeFileSystem, async ({ operation }, proceed) => {
      if (operation === "read" && times-- > 0) await appendFile(place.localPath, "0123456789");
      return proceed();
    });
  /** Writes all of it anew at each of the first so many reads. */
  const rewritten = (place: Place, times: number) =>
    interceptFileSystem(nodeFileSystem, async ({ operation }, proceed) => {
      if (operation === "read" && times-- > 0) await writeFile(place.localPath, noise(100, times));
      return proceed();
    });

  it.each([1, 2, 1000])("by growing goes up as long as it was (%d times)", async (times) => {
    const place = await newPlace(noise(100));
    const { transfers, requests } = newProcess(place, undefined, { files: growing(place, times) });
    expect(await uploadFile(transfers, { localPath: place.localPath, key: KEY })).toMatchObject({ bytes: 100 });
    expect(await place.bucket.get(KEY)).toEqual(noise(100));
    expect(requests).toEqual(["head", "put"]);
  });

  it.each([1, 2, 3, 4])("is read again until it is at rest (%d times)", async (times) => {
    const place = await newPlace(noise(100, 50));
    const { transfers, requests } = newProcess(place, undefined, { files: rewritten(place, times) });
    await uploadFile(transfers, { localPath: place.localPath, key: KEY });
    expect(await place.bucket.get(KEY)).toEqual(noise(100, 0));
    expect(requests).toEqual(["head", "put"]);
  });

  it("and never rests is given up before anything is sent", async () => {
    const place = await newPlace(noise(100));
    const { transfers, requests } = newProcess(place, undefined, { files: rewritten(place, 1000) });
    const upload = uploadFile(transfers, { localPath: place.localPath, key: KEY });
    await expect(upload).rejects.toMatchObject({ code: "VARVE_FILE_CHANGED" });
    expect(requests).toEqual([]);
  });

  it("and outgrows two pieces goes in pieces the next time", async () => {
    const place = await newPlace(noise(2 * PIECE_BYTES - 5));
    const { transfers, requests } = newProcess(place, undefined, { files: growing(place, 1) });
    await uploadFile(transfers, { localPath: place.localPath, key: KEY });
    await uploadFile(transfers, { localPath: place.localPath, key: KEY });
    expect(requests).toEqual(["head", "put", "head", "begin", "piece 0", "piece 1", "piece 2", "complete"]);
    expect((await place.bucket.head(KEY))?.sizeBytes).toBe(2 * PIECE_BYTES + 5);
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
