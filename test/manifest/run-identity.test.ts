import { describe, expect, it } from "vitest";
import { CorruptError, RunMismatchError, StoreError, type StoreErrorKind } from "../../src/errors.ts";
import { headerOf, type RunHistory, readManifest } from "../../src/manifest/read-history.ts";
import { assertRunOfManifests, historyOfRun } from "../../src/manifest/run-identity.ts";
import { serializeManifest } from "../../src/manifest/serialize.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { manifestOf, nameOf } from "./manifests.ts";

/** A store of checkpoints 1, 2, … of epoch 1, each of the run that is given; null is damage. */
async function storeOf(...runs: readonly (string | null)[]): Promise<Store> {
  const store = createMemoryStore();
  for (const [index, run] of runs.entries()) {
    const sequence = index + 1;
    const bytes =
      run === null
        ? new TextEncoder().encode("{")
        : serializeManifest({ ...manifestOf(), run, epoch: 1, sequence, parent: null }).bytes;
    await store.put(nameOf(1, sequence), bytes);
  }
  return store;
}

describe("the run of the manifests", () => {
  const names = [nameOf(1, 1), nameOf(1, 2), nameOf(1, 3)];

  it("is told by one manifest of the run, whatever the newer ones say or have become", async () => {
    for (const newer of ["other", null]) {
      await assertRunOfManifests(await storeOf("run", newer), "run", [...names, "checkpoints/readme"]);
    }
    // Deleted since they were listed: nothing contradicts.
    await assertRunOfManifests(await storeOf(), "run", names);
    const refused = assertRunOfManifests(await storeOf("other", "other", null), "run", names);
    await expect(refused).rejects.toBeInstanceOf(RunMismatchError);
    await expect(refused).rejects.toThrow(`says run run, but its checkpoints belong to run other ("${nameOf(1, 2)}")`);
  });

  it.each([
    ["permission", false],
    ["unsupported", false],
    ["network", true],
    ["aborted", true],
  ] as const)(
    "is not told by what cannot be read for good, and asked again where that may pass: %s",
    async (kind, isThrown) => {
      const error = (): StoreError =>
        new StoreError(kind satisfies StoreErrorKind, "get", nameOf(1, 2), "a planned fault");
      const fault = { kind: "reject", method: "get", name: /2\.json$/, error } as const;
      const asked = assertRunOfManifests(withFaults(await storeOf("run", "other"), [fault]), "run", names.slice(0, 2));
      if (isThrown) await expect(asked).rejects.toMatchObject({ code: "VARVE_STORE", kind });
      else await asked;
    },
  );
});

describe("the history of one run", () => {
  it("has the checkpoints of another one among its broken ones, in order", async () => {
    const store = await storeOf("other", "run", null, "other");
    const headers = await Promise.all(
      [1, 2, 4].map(async (sequence) => {
        const stored = await readManifest(store, nameOf(1, sequence));
        if (stored === null) throw new Error("no checkpoint");
        return headerOf(stored);
      }),
    );
    const damaged = { name: nameOf(1, 3), epoch: 1, sequence: 3, error: new CorruptError(nameOf(1, 3), "damage") };
    const history: RunHistory = { whole: headers, broken: [damaged] };
    const { whole, broken } = historyOfRun(store, "run", history);
    expect(whole.map(({ sequence }) => sequence)).toEqual([2]);
    expect(broken.map(({ sequence, error }) => [sequence, error.code])).toEqual([
      [1, "VARVE_RUN_MISMATCH"],
      [3, "VARVE_CORRUPT"],
      [4, "VARVE_RUN_MISMATCH"],
    ]);
    expect(historyOfRun(store, undefined, history)).toBe(history);
  });
});
