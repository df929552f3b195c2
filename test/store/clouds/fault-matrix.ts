import { createHash } from "node:crypto";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { createRandom } from "../../../src/base/random.ts";
import { createFileTransfers } from "../../../src/checkpoint/cloud/files/file-transfers.ts";
import { uploadFile } from "../../../src/checkpoint/cloud/files/upload-file.ts";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { ObjectStore } from "../../../src/store/object-store.ts";
import { type ObjectPlace, parseObjectUrl } from "../../../src/store/object-url.ts";
import type { Store } from "../../../src/store/store.ts";
import { withRetry } from "../../../src/transfer/retry.ts";
import { withRetries } from "../../../src/transfer/retrying-store.ts";
import { type ChaosFault, type ChaosProxy, startChaosProxy } from "../../servers/chaos-proxy.ts";
import type { RunningCloud } from "../../servers/running-cloud.ts";

/** How one provider is reached in these tests. */
export interface CloudUnderTest {
  readonly start: () => Promise<RunningCloud>;
  readonly connect: (
    place: ObjectPlace,
    small: { readonly pageSize: number; readonly pieceBytes: number },
  ) => Promise<ObjectClient>;
  /** Faults that this matrix has run with this provider at least; fewer means that cells were left out. */
  readonly atLeast: number;
}

const IDLE_TIMEOUT_MS = 200;
const OBJECT_BYTES = 40_000;
/** A piece and a bit. */
/** Sizes of pages and pieces that make small objects enough. */
export const SMALL: { readonly pageSize: number; readonly pieceBytes: number } = {
  pageSize: 3,
  pieceBytes: 1024 * 1024,
};
const FILE_BYTES = SMALL.pieceBytes + 5_000;
/** The request that fails, the one that follows, and what is read to know whose a create was. */
const MOST_REQUESTS = 4;
const PLACES = [0, 1, 2, 100, 4095, 16_384, 19_999, 32_768, 39_998, 39_999] as const;

type Verdict = "recovers" | "permission" | "refused";

interface Cell {
  readonly fault: ChaosFault;
  /** What becomes of the operation. */
  readonly verdict: Verdict;
}

const at = (kind: "request reset" | "answer reset" | "answer truncated", places: readonly number[]): Cell[] =>
  places.map((atByte) => ({ fault: { kind, atByte }, verdict: "recovers" }));

const answered = (status: number, verdict: Verdict = "recovers", retryAfter?: number): Cell => ({
  fault: { kind: "status", status, ...(retryAfter === undefined ? {} : { retryAfter }) },
  verdict,
});

/** Whatever the request is. */
const ANYWHERE: readonly Cell[] = [
  { fault: { kind: "refused" }, verdict: "recovers" },
  { fault: { kind: "answer lost" }, verdict: "recovers" },
  { fault: { kind: "request stalled", atByte: 0 }, verdict: "recovers" },
  { fault: { kind: "answer stalled", atByte: 0 }, verdict: "recovers" },
  { fault: { kind: "slow", delayMs: 5 }, verdict: "recovers" },
  ...at("answer reset", [0, 1, 50]),
  ...at("answer truncated", [0, 1, 50]),
  ...[408, 429, 500, 502, 503, 504].map((status) => answered(status)),
  answered(429, "recovers", 2),
  answered(503, "recovers", 3),
  answered(401, "permission"),
  answered(403, "permission"),
  answered(501, "refused"),
];

/** For requests that carry bytes. */
const UPWARDS: readonly Cell[] = [
  ...at("request reset", PLACES),
  { fault: { kind: "request stalled", atByte: 20_000 }, verdict: "recovers" },
  ...PLACES.map((atByte): Cell => ({ fault: { kind: "request bit flipped", atByte }, verdict: "recovers" })),
];

/** For requests that are answered with an object, whose checksum is known. */
const DOWNWARDS: readonly Cell[] = [
  ...at("answer reset", PLACES.slice(2)),
  ...at("answer truncated", PLACES.slice(2)),
  { fault: { kind: "answer stalled", atByte: 20_000 }, verdict: "recovers" },
  ...PLACES.map((atByte): Cell => ({ fault: { kind: "answer bit flipped", atByte }, verdict: "recovers" })),
];

interface Bench {
  readonly cloud: RunningCloud;
  readonly proxy: ChaosProxy;
  /** Through the proxy, tried again; and straight to the server, to see what is there. */
  readonly store: Store;
  readonly inside: Store;
  readonly client: ObjectClient;
  readonly insideClient: ObjectClient;
  readonly prefix: string;
  readonly pauses: number[];
}

interface Operation {
  readonly name: string;
  readonly cells: readonly Cell[];
  /** Of the requests that it sends, which one meets the fault; 0 for the first. */
  readonly nth?: number;
  prepare?(bench: Bench): Promise<void>;
  run(bench: Bench): Promise<unknown>;
  /** Called when the operation succeeded. */
  check(bench: Bench, result: unknown): Promise<void>;
  /** Called when it was refused: nothing else may have changed. */
  checkRefused?(bench: Bench): Promise<void>;
}

const content = (seed: number): Uint8Array =>
  Uint8Array.from({ length: OBJECT_BYTES }, (_, index) => (index * 31 + (index >> 8) + seed) & 255);
const OURS = content(1);
const OLDER = content(2);
const NAME = "packs/object.pack";
const LISTED = ["list/1", "list/2", "list/3", "list/4", "list/5"];

const holds = async ({ inside }: Bench, expected: Uint8Array | null): Promise<void> => {
  const found = await inside.get(NAME);
  const isSame = found === null || expected === null ? found === expected : Buffer.compare(found, expected) === 0;
  expect(isSame, "the store holds other bytes than it must").toBe(true);
};
const olderIsThere = async ({ inside }: Bench): Promise<void> => void (await inside.put(NAME, OLDER));
const oursIsThere = async ({ inside }: Bench): Promise<void> => void (await inside.put(NAME, OURS));
const nothingIsThere = ({ inside }: Bench): Promise<void> => inside.delete(NAME);

const OPERATIONS: readonly Operation[] = [
  {
    name: "put",
    cells: [...ANYWHERE, ...UPWARDS],
    prepare: olderIsThere,
    run: ({ store }) => store.put(NAME, OURS),
    check: async (bench, result) => {
      expect(result).toBe(true);
      await holds(bench, OURS);
    },
    checkRefused: (bench) => holds(bench, OLDER),
  },
  {
    name: "create",
    cells: [...ANYWHERE, ...UPWARDS],
    prepare: nothingIsThere,
    run: ({ store }) => store.put(NAME, OURS, { ifAbsent: true }),
    check: async (bench, result) => {
      expect(result, "our own create was not recognised").toBe(true);
      await holds(bench, OURS);
    },
    checkRefused: (bench) => holds(bench, null),
  },
  {
    name: "create of what another has created",
    cells: [...ANYWHERE, ...UPWARDS],
    prepare: olderIsThere,
    run: ({ store }) => store.put(NAME, OURS, { ifAbsent: true }),
    check: async (bench, result) => {
      expect(result, "another's object was taken for our own").toBe(false);
      await holds(bench, OLDER);
    },
    checkRefused: (bench) => holds(bench, OLDER),
  },
  {
    name: "get",
    cells: [...ANYWHERE, ...DOWNWARDS],
    prepare: oursIsThere,
    run: ({ store }) => store.get(NAME),
    check: async (_, result) => expect(Buffer.compare(result as Uint8Array, OURS)).toBe(0),
  },
  {
    name: "get of a range",
    cells: [...ANYWHERE, ...at("answer reset", PLACES), ...at("answer truncated", PLACES)],
    prepare: oursIsThere,
    run: ({ store }) => store.get(NAME, { range: { offset: 1000, length: 30_000 } }),
    check: async (_, result) => expect(Buffer.compare(result as Uint8Array, OURS.subarray(1000, 31_000))).toBe(0),
  },
  {
    name: "head",
    cells: ANYWHERE,
    prepare: oursIsThere,
    run: ({ store }) => store.head(NAME),
    check: async (_, result) => expect(result).toMatchObject({ name: NAME, sizeBytes: OBJECT_BYTES }),
  },
  ...[0, 1].map(
    (nth): Operation => ({
      name: `list, page ${nth + 1}`,
      cells: ANYWHERE,
      nth,
      run: ({ store }) => Array.fromAsync(store.list("list/"), ({ name }) => name),
      check: async (_, result) => expect(result).toEqual(LISTED),
    }),
  ),
  {
    name: "delete",
    cells: ANYWHERE,
    prepare: oursIsThere,
    run: ({ store }) => store.delete(NAME),
    check: (bench) => holds(bench, null),
    checkRefused: (bench) => holds(bench, OURS),
  },
];

/** Every fault at every request of every operation of one provider; see `OPERATIONS` and the lists of faults. */
export function faultMatrix(title: string, { start, connect, atLeast }: CloudUnderTest): void {
  describe(`single faults: ${title}`, () => {
    let bench: Bench;
    let faultCount = 0;
    beforeAll(async () => {
      bench = await openBench(await start(), connect);
      for (const name of LISTED) await bench.inside.put(name, new Uint8Array([1]));
      // The trial of create-if-absent is over before the first fault.
      await bench.store.put("first", OURS, { ifAbsent: true });
    });
    afterAll(async () => {
      await bench.store.close?.();
      await bench.inside.close?.();
      await bench.client.close();
      await bench.insideClient.close();
      await bench.proxy.close();
      await bench.cloud.close();
    });

    it.each(OPERATIONS)(
      "$name: nothing is lost, nothing wrong is taken for right, and nothing storms",
      async (operation) => {
        for (const cell of operation.cells) {
          await runCell(bench, operation, cell);
          faultCount++;
        }
      },
    );

    it("a file in pieces arrives whole, whichever of its requests goes wrong", async () => {
      faultCount += await uploadThroughFaults(bench);
    });

    it("has run every one of them", () => {
      console.log(`${title}: ${faultCount} single faults`);
      expect(faultCount).toBeGreaterThanOrEqual(atLeast);
    });
  });
}

async function openBench(cloud: RunningCloud, connect: CloudUnderTest["connect"]): Promise<Bench> {
  const proxy = await startChaosProxy(cloud.port);
  const url = cloud.newUrl();
  const placeAt = (port?: number): ObjectPlace =>
    parseObjectUrl(
      url,
      port === undefined ? cloud.options() : { ...cloud.options(port), idleTimeoutMs: IDLE_TIMEOUT_MS },
    );
  const storeAt = (place: ObjectPlace): Store =>
    new ObjectStore({
      connect: () => connect(place, SMALL),
      ...{ url: place.url, prefix: place.prefix, location: { url, options: {} } },
      traits: { conditionalCreate: true, stronglyConsistent: true },
    });
  const pauses: number[] = [];
  const store = withRetries(storeAt(placeAt(proxy.port)), {
    policy: { attempts: 3, baseDelayMs: 1, maxDelayMs: 2, budgetMs: 60_000 },
    clock: systemClock,
    random: createRandom(1),
    sleep: async (delayMs) => void pauses.push(delayMs),
  });
  const client = await connect(placeAt(proxy.port), SMALL);
  const insideClient = await connect(parseObjectUrl(url, cloud.options()), SMALL);
  return { cloud, proxy, store, inside: storeAt(placeAt()), client, prefix: placeAt().prefix, pauses, insideClient };
}

async function runCell(bench: Bench, operation: Operation, { fault, verdict }: Cell): Promise<void> {
  const { proxy, pauses } = bench;
  await operation.prepare?.(bench);
  const nth = operation.nth ?? 0;
  const metBefore = proxy.met;
  pauses.length = 0;
  proxy.plan(fault, nth);
  const outcome = await operation.run(bench).then(
    (value) => ({ value, error: null }),
    (error: unknown) => ({ value: null, error }),
  );
  const about = `${operation.name} with ${JSON.stringify(fault)}`;
  expect(proxy.met, `${about}: no request met it`).toBe(metBefore + 1);
  expect(proxy.seen.length, `${about}: a storm of requests`).toBeLessThanOrEqual(nth + MOST_REQUESTS + nth);
  if (verdict === "recovers") {
    expect(outcome.error, about).toBeNull();
    await operation.check(bench, outcome.value).catch((error: unknown) => {
      throw new Error(`${about}: ${String(error)}`, { cause: error });
    });
    const { retryAfter = 0 } = fault as { retryAfter?: number };
    if (retryAfter > 0)
      expect(Math.max(...pauses), `${about}: came back too soon`).toBeGreaterThanOrEqual(retryAfter * 1000);
    return;
  }
  expect(outcome.error, about).toMatchObject({
    code: "VARVE_STORE",
    ...(verdict === "permission" ? { kind: "permission" } : {}),
    retryable: false,
  });
  expect(pauses, `${about}: was tried again`).toEqual([]);
  await operation.checkRefused?.(bench);
}

const UPLOAD_FAULTS: readonly ChaosFault[] = [
  { kind: "refused" },
  { kind: "answer lost" },
  { kind: "request reset", atByte: 300_000 },
  { kind: "request bit flipped", atByte: 4_000 },
  { kind: "request stalled", atByte: 0 },
  { kind: "answer stalled", atByte: 0 },
  { kind: "answer truncated", atByte: 10 },
  { kind: "status", status: 503 },
  { kind: "status", status: 429, retryAfter: 1 },
  { kind: "status", status: 500 },
];

/** @returns faults that were met */
async function uploadThroughFaults(bench: Bench): Promise<number> {
  const { client, insideClient, proxy, prefix } = bench;
  const folder = await mkdtemp(join(await realpath(tmpdir()), "varve-faults-"));
  const file = Buffer.alloc(FILE_BYTES);
  const metBefore = proxy.met;
  try {
    for (const [index, fault] of UPLOAD_FAULTS.entries()) {
      for (let nth = 0; ; nth++) {
        const localPath = join(folder, `${index}-${nth}.bin`);
        file.writeUInt32LE(index * 100 + nth, 0);
        await writeFile(localPath, file);
        const key = `${prefix}files/${index}-${nth}.bin`;
        const met = proxy.met;
        proxy.plan(fault, nth);
        await uploadPatiently(client, localPath, key);
        const wasMet = proxy.met > met;
        await expectFile(insideClient, key, file, `${JSON.stringify(fault)} at request ${nth}`);
        await insideClient.delete(key);
        // The upload has no request of this number any more.
        if (!wasMet) break;
      }
    }
    return proxy.met - metBefore;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function uploadPatiently(client: ObjectClient, localPath: string, key: string): Promise<void> {
  const transfers = createFileTransfers(client, { warn: () => undefined });
  await withRetry(() => uploadFile(transfers, { localPath, key }), {
    policy: { attempts: 5, baseDelayMs: 1, maxDelayMs: 2, budgetMs: 60_000 },
    clock: systemClock,
    random: createRandom(1),
    sleep: async () => undefined,
  });
}

async function expectFile(client: ObjectClient, key: string, file: Buffer, about: string): Promise<void> {
  const head = await client.head(key);
  const sha256 = createHash("sha256").update(file).digest("hex");
  expect(head, about).toMatchObject({ sizeBytes: file.length, metadata: { sha256 } });
  const got = await client.get(key);
  expect(got !== null && Buffer.compare(got, file) === 0, about).toBe(true);
}
