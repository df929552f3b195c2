import { describe, expect, it } from "vitest";
import { z } from "zod";
import { CorruptError, FormatVersionError, StoreError } from "../../src/errors.ts";
import { createOwn } from "../../src/manifest/create-own.ts";
import { listPins, pinCheckpoint, unpinCheckpoint } from "../../src/manifest/pins.ts";
import { readSmallFile, writeSmallFile } from "../../src/manifest/small-file.ts";
import { readStoreClock } from "../../src/manifest/store-clock.ts";
import { fromStoredNumber, metricsOf, type StoredNumber, toStoredNumber } from "../../src/manifest/stored-number.ts";
import type { Store } from "../../src/store/store.ts";
import { nameOf } from "./manifests.ts";
import { recordingStore } from "./recording-store.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const schema = z.object({ magic: z.literal("m"), version: z.literal(1), pad: z.object({ to: z.string() }).optional() });
const read = (value: string): unknown => readSmallFile(schema, text(value), "varve.json");
const said = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    return (error as Error).message;
  }
  return "nothing";
};

describe("a small file", () => {
  it("is one line of JSON that is read back as it was written", () => {
    const bytes = writeSmallFile({ magic: "m", version: 1 });
    expect(new TextDecoder().decode(bytes)).toBe('{"magic":"m","version":1}\n');
    expect(readSmallFile(schema, bytes, "varve.json")).toEqual({ magic: "m", version: 1 });
  });

  it("may have 64 KiB, and not a byte more", () => {
    const frame = '{"magic":"m","version":1,"pad":{"to":""}}';
    const padded = (length: number): string => frame.replace('""}', `"${"x".repeat(length - frame.length)}"}`);
    expect(read(padded(65_536))).toMatchObject({ magic: "m" });
    expect(said(() => read(padded(65_537)))).toBe('"varve.json" is corrupt: it is 65537 bytes long');
  });

  it("says what is wrong with it, and where", () => {
    expect(() => read("{")).toThrow(CorruptError);
    expect(said(() => read('{"magic":"m","version":1,"pad":{"to":5}}'))).toMatch(
      /^"varve\.json" is corrupt: pad\.to: .*expected string/,
    );
    expect(() => read('{"magic":"m","version":2}')).toThrow(FormatVersionError);
    expect(said(() => read('{"magic":"m","version":2}'))).toBe('Cannot read "varve.json": format 2, expected 1');
    expect(() => read('{"magic":"m","version":0}')).toThrow(CorruptError);
  });
});

describe("a number in a manifest", () => {
  const pairs: readonly (readonly [value: number, stored: StoredNumber])[] = [
    [Number.NaN, null],
    [Number.POSITIVE_INFINITY, "Infinity"],
    [Number.NEGATIVE_INFINITY, "-Infinity"],
    [-0, "-0"],
    [0, 0],
    [-1.5, -1.5],
  ];
  it("is text where JSON cannot say it, and comes back as it was", () => {
    for (const [value, stored] of pairs) {
      expect(toStoredNumber(value)).toBe(stored);
      expect(fromStoredNumber(stored)).toBe(value);
    }
    expect(metricsOf({ score: "-Infinity", loss: null, plain: 2 })).toEqual({
      score: Number.NEGATIVE_INFINITY,
      loss: Number.NaN,
      plain: 2,
    });
  });
});

describe("creating an object that must be ours", () => {
  const own = (): boolean => true;

  it("repeats once what may pass, still as a create, and not where the store repeats itself", async () => {
    const store = recordingStore();
    store.failNextPut("x", "fails");
    expect(await createOwn(store, "x", text("1"), own)).toEqual({ own: true });
    store.failNextPut("x", "fails");
    expect(await createOwn(store, "x", text("2"), (found) => new TextDecoder().decode(found) === "2")).toMatchObject({
      own: false,
    });
    const patient: Store = { ...store, traits: { ...store.traits, retriesItself: true } };
    store.failNextPut("y", "fails");
    await expect(createOwn(patient, "y", text("1"), own)).rejects.toThrow(/connection reset/);
    expect(store.requests).toEqual(["put x", "put x", "put x", "put x", "get x", "put y"]);
  });

  it("does not repeat what cannot pass", async () => {
    const store = recordingStore();
    let puts = 0;
    const forbidden: Store = {
      ...store,
      put: () => {
        puts++;
        return Promise.reject(new StoreError("permission", "put", "x", "forbidden"));
      },
    };
    await expect(createOwn(forbidden, "x", text("1"), own)).rejects.toThrow(/forbidden/);
    const broken: Store = {
      ...store,
      put: () => {
        puts++;
        return Promise.reject(new TypeError("a bug"));
      },
    };
    await expect(createOwn(broken, "x", text("1"), own)).rejects.toThrow(/a bug/);
    expect(puts).toBe(2);
  });

  it("is an error where the store contradicts itself", async () => {
    const store: Store = { ...recordingStore(), put: () => Promise.resolve(false), get: () => Promise.resolve(null) };
    await expect(createOwn(store, "x", text("1"), own)).rejects.toMatchObject({
      code: "VARVE_STORE",
      kind: "io",
      message: expect.stringContaining("the store says that it exists, and that it does not"),
    });
  });
});

describe("what a pin and a marker hold", () => {
  it("a pin says for people what it pins", async () => {
    const store = recordingStore();
    await store.put(nameOf(1, 4), text("x"));
    await pinCheckpoint(store, nameOf(1, 4));
    const pin = await store.get("pins/00000001-000000000004.json");
    expect(JSON.parse(new TextDecoder().decode(pin ?? undefined))).toEqual({
      magic: "varve-pin",
      version: 1,
      checkpoint: nameOf(1, 4),
    });
    await expect(pinCheckpoint(store, nameOf(1, 5))).rejects.toThrow(
      `No checkpoint with the name ${nameOf(1, 5)}; there are: none`,
    );
    await expect(unpinCheckpoint(store, "pins/x")).rejects.toThrow("Expected `checkpoint` to be a checkpoint's name");
    expect(await listPins(store)).toEqual(new Set([nameOf(1, 4)]));
  });

  it("a marker is an empty object, and a store that does not show it has no clock", async () => {
    const store = recordingStore();
    let marker: Uint8Array | null = null;
    store.before("head", "markers/", async () => {
      marker = await store.get("markers/00000012.json");
    });
    await readStoreClock(store, 12);
    expect(new TextDecoder().decode(marker ?? undefined)).toBe("{}\n");
    expect(await readStoreClock({ ...store, head: () => Promise.resolve(null) }, 12)).toBeNull();
  });
});
