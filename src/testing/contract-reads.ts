import assert from "node:assert/strict";
import type { ByteRange } from "../store/store.ts";
import type { ContractCase } from "./contract-case.ts";
import { bytesOf, names, readText } from "./contract-values.ts";

/** Ranges of "0123456789", and what they hold. */
const RANGES: readonly (ByteRange & { readonly holds: string })[] = [
  { offset: 0, length: 10, holds: "0123456789" },
  { offset: 3, length: 4, holds: "3456" },
  { offset: 9, length: 1, holds: "9" },
  { offset: 0, length: 0, holds: "" },
  { offset: 5, length: 0, holds: "" },
  { offset: 10, length: 0, holds: "" },
  { offset: 8, length: 100, holds: "89" },
  { offset: 10, length: 5, holds: "" },
  { offset: 4000, length: 5, holds: "" },
  { offset: 2, length: Number.MAX_SAFE_INTEGER, holds: "23456789" },
];

/** In ascending order of UTF-16 code units: "-" and "." sort before "/", digits and letters after. */
const ORDERED: readonly string[] = [
  "A",
  "a",
  "checkpoints-old/1.json",
  "checkpoints.json",
  "checkpoints/00000001-000000000002.json",
  "checkpoints/00000001-000000000010.json",
  "checkpoints/00000002-000000000001.json",
  "checkpoints0",
  "packs/00000001-a.pack",
  "packs/00000001-b/deep/er",
  "packs/00000001-b0",
  "varve.json",
];

/** What must hold for reading and listing. */
export const readCases: readonly ContractCase[] = [
  {
    title: "answers null for what is absent, on an empty store too",
    run: async ({ store }) => {
      assert.equal(await store.get("varve.json"), null);
      assert.equal(await store.head("packs/none.pack"), null);
      await store.put("packs/one.pack", bytesOf("1"));
      assert.equal(await store.get("packs/none.pack"), null);
      assert.equal(await store.get("packs/one.pack/below"), null);
      assert.equal(await store.head("packs/one.pack/below"), null);
    },
  },
  {
    title: "holds no object where only a prefix of others is",
    run: async ({ store }) => {
      await store.put("packs/one.pack", bytesOf("1"));
      assert.equal(await store.get("packs"), null);
      assert.equal(await store.head("packs"), null);
      await store.delete("packs");
      assert.equal(await readText(store, "packs/one.pack"), "1");
    },
  },
  {
    title: "reads ranges, cut where the object ends",
    run: async ({ store }) => {
      await store.put("digits", bytesOf("0123456789"));
      for (const { holds, ...range } of RANGES) {
        const got = await store.get("digits", { range });
        assert.deepEqual(got, bytesOf(holds), `range ${range.offset}+${range.length}`);
      }
      assert.equal(await store.get("none", { range: { offset: 0, length: 1 } }), null);
    },
  },
  {
    title: "refuses ranges that are none",
    run: async ({ store }) => {
      await store.put("digits", bytesOf("0123456789"));
      for (const range of [
        { offset: -1, length: 2 },
        { offset: 0, length: -1 },
        { offset: 0.5, length: 1 },
        { offset: 0, length: Number.NaN },
      ]) {
        await assert.rejects(store.get("digits", { range }), { code: "VARVE_INVALID_ARGUMENT" });
      }
    },
  },
  {
    title: "describes an object",
    run: async ({ store }) => {
      await store.put("packs/1.pack", bytesOf("12345"));
      const info = await store.head("packs/1.pack");
      assert.equal(info?.name, "packs/1.pack");
      assert.equal(info.sizeBytes, 5);
      assert.ok(info.modifiedAtMs === null || Number.isFinite(info.modifiedAtMs), "modifiedAtMs is no time");
    },
  },
  {
    title: "lists nothing on an empty store",
    run: async ({ store }) => {
      assert.deepEqual(await names(store, ""), []);
      assert.deepEqual(await names(store, "packs/"), []);
    },
  },
  {
    title: "lists in ascending order of name",
    run: async ({ store }) => {
      for (const name of [...ORDERED].reverse()) await store.put(name, bytesOf(name));
      assert.deepEqual(await names(store, ""), ORDERED);
    },
  },
  {
    title: "lists exactly what starts with the prefix, in the middle of a part too",
    run: async ({ store }) => {
      for (const name of ORDERED) await store.put(name, bytesOf(name));
      for (const prefix of [
        "checkpoints",
        "checkpoints/",
        "checkpoints/00000001-",
        "packs/00000001-b",
        "a",
        "x",
        "p",
      ]) {
        const expected = ORDERED.filter((name) => name.startsWith(prefix));
        assert.deepEqual(await names(store, prefix), expected, `prefix "${prefix}"`);
      }
      assert.deepEqual(await names(store, "varve.json"), ["varve.json"]);
      assert.deepEqual(await names(store, "varve.json/"), []);
    },
  },
  {
    title: "lists sizes",
    run: async ({ store }) => {
      await store.put("packs/1.pack", bytesOf("1"));
      await store.put("packs/2.pack", bytesOf("22"));
      const sizes: number[] = [];
      for await (const { sizeBytes } of store.list("packs/")) sizes.push(sizeBytes);
      assert.deepEqual(sizes, [1, 2]);
    },
  },
  {
    title: "lists many objects",
    run: async ({ store }, { objectCount }) => {
      const all = Array.from({ length: objectCount }, (_, index) => `many/${String(index).padStart(6, "0")}`);
      for (let from = 0; from < all.length; from += 16) {
        await Promise.all(all.slice(from, from + 16).map((name) => store.put(name, bytesOf("x"))));
      }
      assert.deepEqual(await names(store, "many/"), all);
    },
  },
  {
    title: "lets a listing be left early",
    run: async ({ store }) => {
      for (const name of ["a", "b", "c"]) await store.put(name, bytesOf(name));
      for await (const { name } of store.list("")) {
        assert.equal(name, "a");
        break;
      }
      assert.deepEqual(await names(store, ""), ["a", "b", "c"]);
    },
  },
];
