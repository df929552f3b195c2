import assert from "node:assert/strict";
import type { ContractCase } from "./contract-case.ts";
import { bytesOf, names, patternBytes, readText } from "./contract-values.ts";

const RACERS = 16;

/** What must hold for writing, creating and deleting. */
export const writeCases: readonly ContractCase[] = [
  {
    title: "claims the traits that are expected of it",
    run: async ({ store }, { traits }) => assert.deepEqual({ ...store.traits, ...traits }, { ...store.traits }),
  },
  {
    title: "returns what was put, byte for byte",
    run: async ({ store }) => {
      const all = Uint8Array.from({ length: 256 }, (_, index) => index);
      assert.equal(await store.put("packs/all.pack", all), true);
      assert.deepEqual(await store.get("packs/all.pack"), all);
    },
  },
  {
    title: "holds an object of no bytes",
    run: async ({ store }) => {
      await store.put("empty", new Uint8Array(0));
      assert.deepEqual(await store.get("empty"), new Uint8Array(0));
      assert.equal((await store.head("empty"))?.sizeBytes, 0);
    },
  },
  {
    title: "writes the view it was given, not the memory behind it",
    run: async ({ store }) => {
      await store.put("view", Uint8Array.from([9, 9, 1, 2, 3, 9]).subarray(2, 5));
      assert.deepEqual(await store.get("view"), Uint8Array.from([1, 2, 3]));
    },
  },
  {
    title: "keeps nothing of the caller's memory, and gives none of its own away",
    run: async ({ store }) => {
      const given = bytesOf("constant");
      await store.put("owned", given);
      given.fill(0);
      const got = await store.get("owned");
      got?.fill(1);
      assert.equal(await readText(store, "owned"), "constant");
    },
  },
  {
    title: "replaces an object whole, also by a shorter one",
    run: async ({ store }) => {
      await store.put("name", bytesOf("the first content"));
      assert.equal(await store.put("name", bytesOf("second")), true);
      assert.equal(await readText(store, "name"), "second");
      assert.equal((await store.head("name"))?.sizeBytes, 6);
    },
  },
  {
    title: "holds a big object",
    run: async ({ store }, { bigObjectBytes }) => {
      const big = patternBytes(bigObjectBytes);
      await store.put("packs/big.pack", big);
      const got = await store.get("packs/big.pack");
      assert.ok(got !== null && Buffer.compare(got, big) === 0, "the big object came back changed");
      const middle = await store.get("packs/big.pack", { range: { offset: bigObjectBytes / 2, length: 1000 } });
      assert.deepEqual(middle, big.slice(bigObjectBytes / 2, bigObjectBytes / 2 + 1000));
    },
  },
  {
    title: "takes many objects at the same time",
    run: async ({ store }) => {
      const all = Array.from({ length: 32 }, (_, index) => `packs/${index % 4}/${index}.pack`);
      await Promise.all(all.map((name) => store.put(name, bytesOf(name))));
      for (const name of all) assert.equal(await readText(store, name), name);
    },
  },
  {
    title: "creates an object that is absent, and only then",
    needs: "conditionalCreate",
    run: async ({ store }) => {
      assert.equal(await store.put("writers/1.json", bytesOf("first"), { ifAbsent: true }), true);
      assert.equal(await store.put("writers/1.json", bytesOf("other"), { ifAbsent: true }), false);
      assert.equal(await readText(store, "writers/1.json"), "first");
    },
  },
  {
    title: `lets exactly one of ${RACERS} racing writers create an object`,
    needs: "conditionalCreate",
    run: async ({ store, second }) => {
      for (let round = 0; round < 8; round++) {
        const name = `writers/${round}.json`;
        const racers = Array.from({ length: RACERS }, (_, racer) => `racer ${racer}`);
        const won = await Promise.all(
          racers.map((text, racer) =>
            ((racer % 2 === 1 ? second : undefined) ?? store).put(name, bytesOf(text), { ifAbsent: true }),
          ),
        );
        const winners = racers.filter((_, racer) => won[racer]);
        assert.equal(winners.length, 1, `${winners.length} writers were told that they created ${name}`);
        assert.equal(await readText(store, name), winners[0]);
      }
    },
  },
  {
    title: "shows the whole object to a writer that was told it exists",
    needs: "conditionalCreate",
    run: async ({ store, second = store }, { bigObjectBytes }) => {
      const content = patternBytes(Math.min(1024 * 1024, bigObjectBytes));
      const writeAndRead = async (client: typeof store): Promise<void> => {
        await client.put("packs/shared.pack", content, { ifAbsent: true });
        const got = await client.get("packs/shared.pack");
        assert.ok(got !== null && Buffer.compare(got, content) === 0, "a part of the object was visible");
      };
      await Promise.all([store, second, store, second].map(writeAndRead));
    },
  },
  {
    title: "creates again what was deleted",
    needs: "conditionalCreate",
    run: async ({ store }) => {
      await store.put("name", bytesOf("one"), { ifAbsent: true });
      await store.delete("name");
      assert.equal(await store.put("name", bytesOf("two"), { ifAbsent: true }), true);
      assert.equal(await readText(store, "name"), "two");
    },
  },
  {
    title: "deletes an object, and does not mind one that is absent",
    run: async ({ store }) => {
      await store.put("packs/1.pack", bytesOf("1"));
      await store.put("packs/2.pack", bytesOf("2"));
      await store.delete("packs/1.pack");
      await store.delete("packs/1.pack");
      await store.delete("never/was.pack");
      assert.equal(await store.get("packs/1.pack"), null);
      assert.equal(await store.head("packs/1.pack"), null);
      assert.deepEqual(await names(store, ""), ["packs/2.pack"]);
    },
  },
  {
    title: "shows a write to another client at once",
    needs: "stronglyConsistent",
    run: async ({ store, second = store }) => {
      await store.put("packs/1.pack", bytesOf("seen"));
      assert.equal(await readText(second, "packs/1.pack"), "seen");
      assert.deepEqual(await names(second, "packs/"), ["packs/1.pack"]);
      await second.delete("packs/1.pack");
      assert.equal(await store.get("packs/1.pack"), null);
    },
  },
];
