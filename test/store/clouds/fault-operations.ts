import { expect } from "vitest";
import type { ChaosFault } from "../../servers/chaos-proxy.ts";
import type { Bench } from "./fault-bench.ts";
import { ANYWHERE, type Cell, DOWNWARDS, PART_DOWNWARDS, UPWARDS } from "./fault-cells.ts";

export interface Operation {
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
  /** Faults of which it need not recover by itself, and what must hold when it did not. */
  mayBeTold?(fault: ChaosFault): boolean;
  checkTold?(bench: Bench): Promise<void>;
}

const OBJECT_BYTES = 40_000;
const content = (seed: number): Uint8Array =>
  Uint8Array.from({ length: OBJECT_BYTES }, (_, index) => (index * 31 + (index >> 8) + seed) & 255);
export const OURS: Uint8Array = content(1);
const OLDER = content(2);
const NAME = "packs/object.pack";
export const LISTED: readonly string[] = ["list/1", "list/2", "list/3", "list/4", "list/5"];

const holds = async ({ inside }: Bench, expected: Uint8Array | null): Promise<void> => {
  const found = await inside.get(NAME);
  const isSame = found === null || expected === null ? found === expected : Buffer.compare(found, expected) === 0;
  expect(isSame, "the store holds other bytes than it must").toBe(true);
};
const olderIsThere = async ({ inside }: Bench): Promise<void> => void (await inside.put(NAME, OLDER));
const oursIsThere = async ({ inside }: Bench): Promise<void> => void (await inside.put(NAME, OURS));
const nothingIsThere = ({ inside }: Bench): Promise<void> => inside.delete(NAME);

/** Of a store that tries again by itself. */
export const STORE_OPERATIONS: readonly Operation[] = [
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
    cells: [...ANYWHERE, ...PART_DOWNWARDS],
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
