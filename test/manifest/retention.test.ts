import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CheckpointNotFoundError,
  CorruptError,
  FencedError,
  FormatVersionError,
  PruneRefusedError,
  StoreError,
} from "../../src/errors.ts";
import type { CheckpointHeader } from "../../src/manifest/lineage.ts";
import { listPins, pinCheckpoint, unpinCheckpoint } from "../../src/manifest/pins.ts";
import { type PruneInput, planPrune } from "../../src/manifest/prune-plan.ts";
import { type RetentionCandidate, selectKept, unnamedPacks } from "../../src/manifest/retention.ts";
import { readStoreClock, removeOldMarkers } from "../../src/manifest/store-clock.ts";
import { manifestOf, nameOf, sha } from "./manifests.ts";
import { recordingStore } from "./recording-store.ts";

function checkpoint(sequence: number, metric: number | null = null, epoch = 1): RetentionCandidate {
  return {
    name: nameOf(epoch, sequence),
    epoch,
    sequence,
    step: sequence,
    metrics: metric === null ? {} : { score: metric },
  };
}

const ten = Array.from({ length: 10 }, (_, i) =>
  checkpoint(i + 1, [3, 9, 1, 9, null, 2, Number.NaN, 8, 0, 4][i] ?? null),
);
const kept = (...args: Parameters<typeof selectKept>): number[] =>
  [...selectKept(...args).keys()].map((name) => Number(name.slice(-17, -5))).sort((a, b) => a - b);

describe("retention", () => {
  it("keeps everything unless told how many to keep", () => {
    expect(kept(ten, {})).toHaveLength(10);
    expect(kept(ten, { keepEvery: 5 })).toHaveLength(10);
  });

  it("keeps the newest, every n-th, and the best, together", () => {
    expect(kept(ten, { keepLast: 2 })).toEqual([9, 10]);
    expect(kept(ten, { keepLast: 1, keepEvery: 4 })).toEqual([4, 8, 10]);
    const policy = { keepLast: 1, keepBest: { metric: "score", mode: "max", count: 2 } } as const;
    expect(kept(ten, policy)).toEqual([2, 4, 10]);
    expect(kept(ten, { keepLast: 1, keepBest: { metric: "score", mode: "min", count: 2 } })).toEqual([3, 9, 10]);
  });

  it("of equally good ones keeps the newer, and passes over NaN and missing metrics", () => {
    expect(kept(ten, { keepLast: 1, keepBest: { metric: "score", mode: "max", count: 1 } })).toEqual([4, 10]);
    expect(kept(ten, { keepLast: 1, keepBest: { metric: "toString", mode: "max", count: 3 } })).toEqual([10]);
  });

  it("always keeps one, the newest by epoch, and what is pinned, restored, or not sent yet", () => {
    const branch = [...ten, checkpoint(5, null, 2)];
    expect([...selectKept(branch, { keepLast: 0 }).keys()]).toEqual([nameOf(2, 5)]);
    const protection = {
      pinned: new Set([nameOf(1, 1)]),
      restored: nameOf(1, 3),
      notSent: new Set([nameOf(1, 7)]),
    };
    expect(kept(ten, { keepLast: 1 }, protection)).toEqual([1, 3, 7, 10]);
    expect(selectKept(ten, { keepLast: 1 }, protection).get(nameOf(1, 3))).toEqual(["restored"]);
  });

  it("says why each is kept", () => {
    const reasons = (...args: Parameters<typeof selectKept>) => Object.fromEntries(selectKept(...args));
    const three = [checkpoint(1, 9), checkpoint(2, 1), checkpoint(3, 2)];
    const policy = { keepLast: 1, keepEvery: 2, keepBest: { metric: "score", mode: "max", count: 1 } } as const;
    expect(reasons(three, {})).toEqual({ [nameOf(1, 1)]: ["all"], [nameOf(1, 2)]: ["all"], [nameOf(1, 3)]: ["all"] });
    const protection = { pinned: new Set([nameOf(1, 2)]), notSent: new Set([nameOf(1, 1)]) };
    expect(reasons(three, policy, protection)).toEqual({
      [nameOf(1, 1)]: ["not-sent", "best"],
      [nameOf(1, 2)]: ["every", "pinned"],
      [nameOf(1, 3)]: ["newest"],
    });
  });
});

const DAY = 86_400_000;
const packOf = (epoch: number, digit: string): string => `packs/${String(epoch).padStart(8, "0")}-${sha(digit)}.pack`;

function header(epoch: number, sequence: number, ...packs: string[]): CheckpointHeader {
  const { state: _state, tensors: _tensors, ...rest } = manifestOf({ epoch, sequence, step: sequence, parent: null });
  const named = packs.map((name) => ({ name, bytes: 10, covers: [] }));
  return { ...rest, packs: named, name: nameOf(epoch, sequence), hash: sha("0"), sizeBytes: 1 };
}

const object = (name: string, modifiedAtMs: number | null) => ({ name, sizeBytes: 10, modifiedAtMs });

const input: PruneInput = {
  ownEpoch: 3,
  newestEpoch: 3,
  history: {
    whole: [header(1, 1, packOf(1, "a")), header(1, 2, packOf(1, "a"), packOf(1, "b")), header(3, 3, packOf(1, "b"))],
    broken: [],
  },
  packs: [
    object(packOf(1, "a"), 1000),
    object(packOf(1, "b"), 1000),
    object(packOf(1, "c"), 1000),
    object(packOf(2, "d"), 10 * DAY - 1000),
    object(packOf(3, "e"), 10 * DAY),
    object(packOf(3, "f"), 10 * DAY),
    object("packs/readme.txt", 1000),
  ],
  policy: { keepLast: 1 },
  packsInUse: new Set([packOf(3, "f")]),
  storeNowMs: 10 * DAY,
  gracePeriodMs: DAY,
  listingAgeMs: 0,
};

describe("a prune's plan (rule 10)", () => {
  it("drops checkpoints first, then packs that no remaining one names and that may go", () => {
    expect(planPrune(input)).toEqual({
      checkpoints: [nameOf(1, 1), nameOf(1, 2)],
      packs: [packOf(1, "a"), packOf(1, "c"), packOf(3, "e")],
      packBytes: 30,
      waiting: [packOf(2, "d"), packOf(3, "f")],
    });
  });

  it("keeps what is within the grace by the store's clock, whatever the clock here says", () => {
    const early = planPrune({ ...input, storeNowMs: 1000 + DAY });
    expect(early.packs).toEqual([packOf(3, "e")]);
    expect(planPrune({ ...input, storeNowMs: null }).packs).toEqual([packOf(3, "e")]);
    const undated = input.packs.map((pack) => ({ ...pack, modifiedAtMs: null }));
    expect(planPrune({ ...input, packs: undated }).packs).toEqual([packOf(3, "e")]);
  });

  it("does not count a checkpoint whose packs are gone: it must not push out one that can be restored", () => {
    // Of a writer that slept past the grace period between its look for a newer epoch and the create.
    const stale = header(2, 3, packOf(2, "9"));
    const history = { whole: [header(1, 1, packOf(1, "a")), header(1, 2, packOf(1, "b")), stale], broken: [] };
    const plan = planPrune({ ...input, history });
    expect(plan.checkpoints).toEqual([nameOf(1, 1)]);
    expect(plan.packs).not.toContain(packOf(1, "b"));
    // It goes as any other does, once newer ones are there.
    const later = { whole: [...history.whole, header(3, 4, packOf(1, "b"))], broken: [] };
    expect(planPrune({ ...input, history: later }).checkpoints).toEqual([nameOf(1, 1), nameOf(1, 2), stale.name]);
  });

  it("leaves packs of its own epoch to the epoch's writer", () => {
    expect(planPrune({ ...input, packsInUse: null }).packs).toEqual([packOf(1, "a"), packOf(1, "c")]);
  });

  it("never touches packs of an epoch newer than its own", () => {
    const packs = [object(packOf(4, "9"), 0)];
    expect(planPrune({ ...input, packs }).packs).toEqual([]);
  });

  it("is refused to all but the newest writer", () => {
    expect(() => planPrune({ ...input, newestEpoch: 4 })).toThrow(FencedError);
    expect(() => planPrune({ ...input, newestEpoch: 4 })).toThrow(/only the newest writer prunes/);
  });

  it("is stopped by a manifest that cannot be read, and by one that is too new", () => {
    const name = nameOf(1, 9);
    for (const error of [new CorruptError(name, "torn"), new FormatVersionError(name, "manifest format 2")]) {
      const broken = [{ name, epoch: 1, sequence: 9, error }];
      const prune = () => planPrune({ ...input, history: { ...input.history, broken } });
      expect(prune).toThrow(PruneRefusedError);
      expect(prune).toThrow(`Nothing was deleted: "${name}" cannot be read (${error.message})`);
    }
    // Of an error that knows no next step, the hint is the prune's own.
    const error = new StoreError("io", "get", name, "EIO");
    const broken = [{ name, epoch: 1, sequence: 9, error }];
    const hinted = { hint: expect.stringContaining("--quarantine") };
    expect(() => planPrune({ ...input, history: { ...input.history, broken } })).toThrow(
      expect.objectContaining(hinted),
    );
  });

  it("is stopped by a listing older than a quarter of the grace", () => {
    expect(() => planPrune({ ...input, listingAgeMs: DAY / 4 + 1 })).toThrow(PruneRefusedError);
    expect(() => planPrune({ ...input, listingAgeMs: DAY })).toThrow(/its listing is 86400000 ms old/);
    expect(planPrune({ ...input, listingAgeMs: DAY / 4 }).packs).toHaveLength(3);
    // Without a grace there is nothing that a listing could be too old for.
    expect(planPrune({ ...input, gracePeriodMs: 0, listingAgeMs: 1 }).packs).toHaveLength(4);
  });

  it("never deletes a pack that a remaining checkpoint names, nor the last checkpoint (any history)", () => {
    const digits = "123456".split("");
    const histories = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.subarray(digits)), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(histories, fc.nat(4), fc.nat(20), (shape, keepLast, ageDays) => {
        const whole = shape.map(([epoch, packs], i) => header(epoch, i + 1, ...packs.map((digit) => packOf(1, digit))));
        const packs = digits.map((digit) => object(packOf(1, digit), ageDays * DAY));
        const plan = planPrune({ ...input, history: { whole, broken: [] }, packs, policy: { keepLast } });
        const staying = whole.filter(({ name }) => !plan.checkpoints.includes(name));
        expect(staying.length).toBeGreaterThan(0);
        const named = new Set(staying.flatMap((left) => left.packs.map(({ name }) => name)));
        expect(plan.packs.filter((name) => named.has(name))).toEqual([]);
        expect(unnamedPacks(packs, staying)).toHaveLength(plan.packs.length + plan.waiting.length);
      }),
    );
  });
});

describe("pins", () => {
  it("are objects of their own, named after the checkpoint", async () => {
    const store = recordingStore();
    await store.put(nameOf(1, 4), new Uint8Array(1));
    await pinCheckpoint(store, nameOf(1, 4));
    await pinCheckpoint(store, nameOf(1, 4));
    await store.put("pins/strange", new Uint8Array(1));
    expect(await listPins(store)).toEqual(new Set([nameOf(1, 4)]));
    await unpinCheckpoint(store, nameOf(1, 4));
    await unpinCheckpoint(store, nameOf(1, 4));
    expect(await listPins(store)).toEqual(new Set());
  });

  it("are written before the checkpoint is looked for, and taken back where it is gone", async () => {
    const store = recordingStore();
    await expect(pinCheckpoint(store, nameOf(1, 4))).rejects.toBeInstanceOf(CheckpointNotFoundError);
    const pin = "pins/00000001-000000000004.json";
    expect(store.requests).toEqual([`put ${pin}`, `head ${nameOf(1, 4)}`, `delete ${pin}`]);
    await expect(pinCheckpoint(store, "../x")).rejects.toThrow(/a checkpoint's name/);
  });
});

describe("the store's clock", () => {
  it("is the modification time of a marker just written, which is removed again", async () => {
    const store = recordingStore();
    const before = Date.now();
    expect(await readStoreClock(store, 3)).toBeGreaterThanOrEqual(before);
    expect(await store.head("markers/00000003.json")).toBeNull();
  });

  it("loses the markers that crashes of older writers left behind, and no others", async () => {
    const store = recordingStore();
    const names = ["markers/00000001.json", "markers/00000002.json", "markers/00000004.json", "markers/notes.txt"];
    for (const name of [...names, "markers/00000003.json"]) await store.put(name, new Uint8Array(1));
    await removeOldMarkers(store, 3);
    const left = (await Array.fromAsync(store.list("markers/"))).map(({ name }) => name);
    expect(left).toEqual(["markers/00000003.json", "markers/00000004.json", "markers/notes.txt"]);
  });
});
