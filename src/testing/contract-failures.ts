import assert from "node:assert/strict";
import type { Store } from "../store/store.ts";
import type { ContractCase } from "./contract-case.ts";
import { bytesOf, names, patternBytes } from "./contract-values.ts";

/** Names that lead out of a run, mean two things, or are no names. */
const HOSTILE_NAMES: readonly unknown[] = [
  "",
  ".",
  "..",
  "/",
  "/etc/passwd",
  "../outside",
  "packs/../../outside",
  "packs/..",
  "packs/./x",
  "packs//x",
  "packs/",
  "packs\\x",
  "..\\outside",
  "C:\\x",
  "packs/x\0.pack",
  "packs/x\n",
  "packs/ü",
  "packs/%2e%2e/x",
  "packs/x y",
  "packs/trailing.",
  `packs/${"x".repeat(300)}`,
  `${"long/".repeat(300)}x`,
  "__proto__\u202e",
  null,
  undefined,
  7,
  {},
];

const HOSTILE_PREFIXES: readonly unknown[] = ["/", "../", "packs/../", "packs//", "packs\\", "\0", "ü", null, 7];

/** What is a mistake of the caller: told before anything is done, and never worth a second try. */
const REFUSED: { readonly code: string } = { code: "VARVE_INVALID_ARGUMENT" };
const ABORTED: { readonly code: string; readonly kind: string } = { code: "VARVE_STORE", kind: "aborted" };

function everyRequest(store: Store, name: string, signal?: AbortSignal): readonly (() => Promise<unknown>)[] {
  return [
    () => store.put(name, bytesOf("x"), { signal }),
    () => store.put(name, bytesOf("x"), { signal, ifAbsent: true }),
    () => store.get(name, { signal }),
    () => store.head(name, { signal }),
    () => store.delete(name, { signal }),
  ];
}

/** What must hold when something is wrong. */
export const failureCases: readonly ContractCase[] = [
  {
    title: "refuses hostile names in every request, and writes nothing",
    run: async ({ store }) => {
      for (const name of HOSTILE_NAMES as readonly string[]) {
        for (const request of everyRequest(store, name)) {
          await assert.rejects(request, REFUSED, `name ${JSON.stringify(name)} was accepted`);
        }
      }
      assert.deepEqual(await names(store, ""), []);
    },
  },
  {
    title: "refuses hostile prefixes",
    run: async ({ store }) => {
      await store.put("packs/1.pack", bytesOf("1"));
      for (const prefix of HOSTILE_PREFIXES as readonly string[]) {
        await assert.rejects(names(store, prefix), REFUSED, `prefix ${JSON.stringify(prefix)} was accepted`);
      }
    },
  },
  {
    title: "rejects every request whose signal is aborted, and does nothing",
    run: async ({ store }) => {
      await store.put("kept", bytesOf("kept"));
      const signal = AbortSignal.abort(new Error("enough"));
      for (const name of ["kept", "new"]) {
        for (const request of everyRequest(store, name, signal)) await assert.rejects(request, ABORTED);
      }
      const listing = async (): Promise<void> => {
        for await (const { name } of store.list("", { signal })) assert.fail(`${name} was listed`);
      };
      await assert.rejects(listing, ABORTED);
      assert.deepEqual(await names(store, ""), ["kept"]);
    },
  },
  {
    title: "leaves an object whole or absent when its put is aborted under way",
    run: async ({ store }, { bigObjectBytes }) => {
      const big = patternBytes(bigObjectBytes);
      const controller = new AbortController();
      const put = store.put("packs/big.pack", big, { signal: controller.signal });
      const answer = put.then(
        () => "acknowledged",
        (error: { kind?: string }) => error.kind,
      );
      await Promise.resolve();
      controller.abort();
      const outcome = await answer;
      assert.ok(outcome === "acknowledged" || outcome === "aborted", `the put ended with ${outcome}`);
      const got = await store.get("packs/big.pack");
      if (outcome === "acknowledged") assert.ok(got !== null, "an acknowledged object is absent");
      assert.ok(got === null || Buffer.compare(got, big) === 0, "a part of the object is visible");
      assert.equal(await store.put("packs/big.pack", bytesOf("again")), true);
    },
  },
  {
    title: "rejects, and does not answer null, when an object cannot be read",
    run: async ({ store, makeUnreadable }) => {
      if (makeUnreadable === undefined) return;
      await store.put("packs/1.pack", bytesOf("1"));
      await makeUnreadable("packs/1.pack");
      await assert.rejects(store.get("packs/1.pack"), { code: "VARVE_STORE" });
    },
  },
];
