import { describe, expect, it } from "vitest";
import { CorruptError, FencedError, FormatVersionError, RunMismatchError } from "../../src/errors.ts";
import { ensureRunFile, parseRunFile, readRunFile } from "../../src/manifest/run-file.ts";
import { assertNewestEpoch, claimEpoch, findNewestEpoch, readWriterFile } from "../../src/manifest/writers.ts";
import { nameOf } from "./manifests.ts";
import { type RecordingStore, recordingStore } from "./recording-store.ts";

const clock = { now: () => 1_000_000, monotonicMs: () => 0 };

function ids(prefix: string): () => string {
  let count = 0;
  return () => `${prefix}-${++count}`;
}

const claim = (store: RecordingStore, name = "w"): Promise<number> =>
  claimEpoch(store, { run: "run-1", clock, newId: ids(name) });

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("claiming an epoch (rule 8)", () => {
  it("gives every writer the next number", async () => {
    const store = recordingStore();
    expect([await claim(store), await claim(store), await claim(store)]).toEqual([1, 2, 3]);
    expect(await findNewestEpoch(store)).toBe(3);
  });

  it("of two that claim at once gives each its own", async () => {
    const store = recordingStore();
    const epochs = await Promise.all(["a", "b", "c", "d"].map((name) => claim(store, name)));
    expect(epochs.sort((a, b) => a - b)).toEqual([1, 2, 3, 4]);
  });

  it("knows its own write when the answer was lost", async () => {
    const store = recordingStore();
    store.failNextPut("writers/", "answer-lost");
    expect(await claim(store)).toBe(1);
    expect(await findNewestEpoch(store)).toBe(1);
  });

  it("passes over a number whose file cannot be read", async () => {
    const store = recordingStore();
    store.failNextPut("writers/", { beforehand: text("torn") });
    expect(await claim(store)).toBe(2);
  });

  it("passes over names that are no checkpoint's, and ends where no number is left", async () => {
    const store = recordingStore();
    await store.put("checkpoints/readme", text("x"));
    expect(await claim(store)).toBe(1);
    await store.put("writers/99999998.json", text("x"));
    expect(await claim(store)).toBe(99_999_999);
    await expect(claim(store)).rejects.toThrow("recording: has no writer numbers left (99999999 were used)");
  });

  it("leaves a file that can be read by its number, and none where nobody claimed it", async () => {
    const store = recordingStore();
    await claim(store);
    expect(await readWriterFile(store, 1)).toMatchObject({ epoch: 1, run: "run-1", writeId: "w-1" });
    expect(await readWriterFile(store, 2)).toBeNull();
  });

  it("does not take the file of a newer format for its own", async () => {
    const store = recordingStore();
    const future = { magic: "varve-writer", version: 2, run: "run-1", epoch: 1, writeId: "w-1" };
    store.failNextPut("writers/", { beforehand: text(JSON.stringify(future)) });
    expect(await claim(store)).toBe(2);
  });

  it("starts above the checkpoints there are, in case the writers' files were removed", async () => {
    const store = recordingStore();
    await store.put(nameOf(5, 1), text("x"));
    expect(await claim(store)).toBe(6);
  });

  it("fences the writer before it, and not itself", async () => {
    const store = recordingStore();
    await claim(store);
    await assertNewestEpoch(store, 1);
    await claim(store);
    await expect(assertNewestEpoch(store, 1)).rejects.toBeInstanceOf(FencedError);
    await expect(assertNewestEpoch(store, 1)).rejects.toMatchObject({ ownEpoch: 1, newestEpoch: 2 });
    await assertNewestEpoch(store, 2);
  });
});

describe("the run file", () => {
  const options = (prefix: string, run?: string) => ({ clock, newId: ids(prefix), run });

  it("is created once, and read ever after", async () => {
    const store = recordingStore();
    expect(await readRunFile(store)).toBeNull();
    const created = await ensureRunFile(store, options("a"));
    expect(created).toMatchObject({ magic: "varve-run", version: 1, requires: [], run: "a-1" });
    expect(await ensureRunFile(store, options("b"))).toEqual(created);
  });

  it("is the same for all that create it at once", async () => {
    const store = recordingStore();
    const files = await Promise.all(["a", "b", "c"].map((name) => ensureRunFile(store, options(name))));
    expect(new Set(files.map((file) => file.run)).size).toBe(1);
  });

  it("is our own when the answer was lost", async () => {
    const store = recordingStore();
    store.failNextPut("varve.json", "answer-lost");
    expect((await ensureRunFile(store, options("a"))).run).toBe("a-1");
  });

  it("takes the id of the other tier, and refuses another (rule 9)", async () => {
    const store = recordingStore();
    expect((await ensureRunFile(store, options("a", "remote-run"))).run).toBe("remote-run");
    await expect(ensureRunFile(store, options("a", "other-run"))).rejects.toBeInstanceOf(RunMismatchError);
    await expect(ensureRunFile(store, options("a", "other-run"))).rejects.toMatchObject({
      message: "recording: holds run remote-run, expected other-run",
      hint: expect.stringContaining("must belong to the same run"),
    });
  });

  it("that is missing beside checkpoints is not made anew", async () => {
    const store = recordingStore();
    await store.put(nameOf(1, 1), text("x"));
    await expect(ensureRunFile(store, options("a"))).rejects.toBeInstanceOf(CorruptError);
    await expect(ensureRunFile(store, options("a"))).rejects.toThrow(`it is missing, though there is ${nameOf(1, 1)}`);
  });

  it("of a newer version, or with unknown features, is refused as such", () => {
    const file = {
      magic: "varve-run",
      version: 1,
      requires: [],
      run: "r",
      writeId: "w",
      createdAt: "2026-01-01T00:00:00Z",
    };
    const bytesOf = (changes: object): Uint8Array => text(JSON.stringify({ ...file, ...changes }));
    expect(parseRunFile(bytesOf({})).run).toBe("r");
    expect(() => parseRunFile(bytesOf({ version: 2, magic: "other" }))).toThrow(FormatVersionError);
    expect(() => parseRunFile(bytesOf({ requires: ["tomorrow"] }))).toThrow(FormatVersionError);
    expect(() => parseRunFile(bytesOf({ requires: ["tomorrow"] }))).toThrow(/requires the unknown feature "tomorrow"/);
    for (const bad of [{ magic: "x" }, { run: "../x" }, { version: "1" }, { createdAt: 5 }]) {
      expect(() => parseRunFile(bytesOf(bad))).toThrow(CorruptError);
    }
    expect(() => parseRunFile(text('{"run":"a","run":"b"}'))).toThrow(CorruptError);
    expect(() => parseRunFile(text("null"))).toThrow(CorruptError);
    expect(() => parseRunFile(new Uint8Array(70_000))).toThrow(CorruptError);
  });
});
