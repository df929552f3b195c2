import { systemClock } from "../../../src/base/clock.ts";
import { CHECKPOINTS_PREFIX, nextSequence, PINS_PREFIX, parseCheckpointName } from "../../../src/manifest/names.ts";
import { listPins } from "../../../src/manifest/pins.ts";
import { listCheckpoints } from "../../../src/manifest/read-history.ts";
import { parseRunFile } from "../../../src/manifest/run-file.ts";
import { claimEpoch, findNewestEpoch } from "../../../src/manifest/writers.ts";
import type { ObjectInfo, Store } from "../../../src/store/store.ts";
import { assertRefusal, type FuzzTarget, isPartOf } from "../fuzz.ts";
import { chance, hostileFile, hostileString, mutateText, pick } from "../mutations.ts";

const runFile = {
  ...{ magic: "varve-run", version: 1, requires: [], run: "run-1", writeId: "write-1" },
  createdAt: "2026-01-02T03:04:05.678Z",
};
const writerFile = {
  ...{ magic: "varve-writer", version: 1, run: "run-1", epoch: 3, writeId: "another" },
  createdAt: "2026-01-02T03:04:05.678Z",
};

export const runFileTarget: FuzzTarget = {
  name: "run file",
  mostAllocatedBytes: 64 * 1024,
  attempt(random, input) {
    const bytes = hostileFile(runFile, random);
    input(Buffer.from(bytes));
    try {
      const file = parseRunFile(bytes);
      if (!isPartOf(file, JSON.parse(Buffer.from(bytes).toString("utf8")))) throw new Error("not what the file says");
      if (!/^[A-Za-z0-9_-]{1,64}$/.test(file.run)) throw new Error(`the run's id is ${JSON.stringify(file.run)}`);
      return "accepted";
    } catch (error) {
      return assertRefusal(error, { codes: ["VARVE_CORRUPT", "VARVE_FORMAT_VERSION"], names: "varve.json" });
    }
  },
};

/** A store that shows names of its own making, and holds one object under every name. */
function storeOf(names: readonly string[], bytes: Uint8Array, puts: boolean[] = []): Store {
  const info = (name: string): ObjectInfo => ({ name, sizeBytes: bytes.length, modifiedAtMs: 0 });
  return {
    ...{ url: "memory://hostile", traits: { conditionalCreate: true, stronglyConsistent: true } },
    put: async () => puts.shift() ?? true,
    get: async () => bytes,
    head: async (name) => info(name),
    list: async function* (prefix) {
      yield* names.filter((name) => name.startsWith(prefix)).map(info);
    },
    delete: async () => undefined,
  };
}

/** The number is taken, whatever its file says; only a file that says our own write id is ours. */
export const writerFileTarget: FuzzTarget = {
  name: "writer file",
  mostAllocatedBytes: 64 * 1024,
  async attempt(random, input) {
    const isOwn = chance(random, 0.3);
    const sound = isOwn ? { ...writerFile, writeId: "own" } : writerFile;
    const bytes = chance(random, 0.1) ? Buffer.from(JSON.stringify(sound)) : hostileFile(sound, random);
    input(Buffer.from(bytes));
    const store = storeOf([], bytes, [false, true]);
    const epoch = await claimEpoch(store, { run: "run-1", clock: systemClock, newId: () => "own" });
    const says = Buffer.from(bytes).toString("utf8");
    if (
      epoch === 1 &&
      !/"own"/.test(
        says.replaceAll(/\\u([0-9a-f]{4})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
      )
    ) {
      throw new Error("a file of another writer was taken for the own one");
    }
    if (epoch !== 1 && epoch !== 2) throw new Error(`epoch ${epoch}`);
    return epoch === 1 ? "accepted" : "refused";
  },
};

const NAMES = [
  ...["pins/00000001-000000000001.json", "checkpoints/00000002-000000000007.json", "writers/00000003.json"],
  ...["pins/99999999-999999999999.json", "checkpoints/99999999-999999999999.json", "writers/99999999.json"],
];

/** What a listing shows is a name of ours or nothing: no other text becomes a name that is read or deleted. */
export const listingTarget: FuzzTarget = {
  name: "names of pins, checkpoints and writers",
  mostAllocatedBytes: 64 * 1024,
  async attempt(random, input) {
    const name = chance(random, 0.8)
      ? mutateText(pick(random, NAMES), random, 1 + random.int(2))
      : pick(random, [PINS_PREFIX, CHECKPOINTS_PREFIX, "writers/"]) + hostileString(random);
    input(name);
    const store = storeOf([name], new Uint8Array(0));
    const pinned = [...(await listPins(store))];
    const checkpoints = (await listCheckpoints(store)).map((each) => each.name);
    const newest = await findNewestEpoch(store);
    const isName = (each: string): boolean => /^checkpoints\/[0-9]{8}-[0-9]{12}\.json$/.test(each);
    if (![...pinned, ...checkpoints].every(isName)) throw new Error(`${[...pinned, ...checkpoints].join()} is no name`);
    if (checkpoints.some((each) => each !== name)) throw new Error("a name that was not listed");
    const expected = Math.max(
      parseCheckpointName(name)?.epoch ?? 0,
      Number(/^writers\/([0-9]{8})\.json$/.exec(name)?.[1] ?? 0),
    );
    if (newest !== expected || !Number.isSafeInteger(nextSequence([name]))) throw new Error(`epoch ${newest}`);
    return pinned.length + checkpoints.length + newest > 0 ? "accepted" : "refused";
  },
};
