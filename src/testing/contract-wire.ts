import assert from "node:assert/strict";
import type { ContractCase } from "./contract-case.ts";
import { bytesOf, patternBytes, readText } from "./contract-values.ts";

const MAY_PASS: { readonly code: string; readonly retryable: boolean } = { code: "VARVE_STORE", retryable: true };

/** What must hold when a request goes wrong on its way; left out where the subject has no `breakNext`. */
export const wireCases: readonly ContractCase[] = [
  {
    title: "lets a writer whose create was not answered find out that it was its own",
    needs: "conditionalCreate",
    run: async ({ store, breakNext }) => {
      if (breakNext === undefined) return;
      await store.put("writers/0.json", bytesOf("before"), { ifAbsent: true });
      breakNext("answer lost");
      await assert.rejects(store.put("writers/1.json", bytesOf("id 1"), { ifAbsent: true }), MAY_PASS);
      assert.equal(await store.put("writers/1.json", bytesOf("id 1"), { ifAbsent: true }), false);
      assert.equal(await readText(store, "writers/1.json"), "id 1");
    },
  },
  {
    title: "gives a request up on which nothing moves, and can be used afterwards",
    run: async ({ store, breakNext }) => {
      if (breakNext === undefined) return;
      await store.put("packs/1.pack", bytesOf("1"));
      const requests = [
        () => store.put("packs/1.pack", bytesOf("2")),
        () => store.get("packs/1.pack"),
        () => store.head("packs/1.pack"),
        () => Array.fromAsync(store.list("")),
        () => store.delete("packs/none.pack"),
      ];
      for (const request of requests) {
        breakNext("stalled");
        await assert.rejects(request, { ...MAY_PASS, kind: "timeout" });
      }
      assert.equal(await store.put("packs/1.pack", bytesOf("3")), true);
      assert.equal(await readText(store, "packs/1.pack"), "3");
    },
  },
  {
    title: "stores nothing of an upload that was corrupted on its way",
    run: async ({ store, breakNext }) => {
      if (breakNext === undefined) return;
      await store.put("packs/1.pack", bytesOf("the older content"));
      breakNext("upload corrupted");
      await assert.rejects(store.put("packs/1.pack", patternBytes(10_000)), MAY_PASS);
      assert.equal(await readText(store, "packs/1.pack"), "the older content");
    },
  },
  {
    title: "returns nothing of an object that was corrupted or cut on its way",
    run: async ({ store, breakNext }) => {
      if (breakNext === undefined) return;
      const content = patternBytes(10_000);
      await store.put("packs/1.pack", content);
      for (const fault of ["download corrupted", "download cut"] as const) {
        breakNext(fault);
        await assert.rejects(store.get("packs/1.pack"), MAY_PASS, fault);
      }
      const got = await store.get("packs/1.pack");
      assert.ok(got !== null && Buffer.compare(got, content) === 0, "the object came back changed");
    },
  },
];
