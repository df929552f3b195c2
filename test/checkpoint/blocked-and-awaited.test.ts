import { expect, it } from "vitest";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import { startSession } from "./session-of-test.ts";
import { namesIn } from "./support.ts";

const NAME = "checkpoints/00000001-000000000002.json";

/** A local tier whose answer to the create of one manifest is late: others see the manifest before its writer does. */
function answersLate(inner: Store, object: string): { readonly store: Store; readonly answer: () => void } {
  const answered = Promise.withResolvers<void>();
  const store: Store = {
    ...{ url: inner.url, traits: inner.traits },
    put: async (name, bytes, options) => {
      const created = await inner.put(name, bytes, options);
      if (name === object) await answered.promise;
      return created;
    },
    get: (...args) => inner.get(...args),
    head: (...args) => inner.head(...args),
    list: (...args) => inner.list(...args),
    delete: (...args) => inner.delete(...args),
  };
  return { store, answer: answered.resolve };
}

it("a save whose name is taken in the store is told so, also where the tiers were compared before it was acknowledged", async () => {
  const remote = createMemoryStore();
  const { store: localStore, answer } = answersLate(createMemoryStore(), NAME);
  const session = await startSession({ remote, localStore });
  session.save();
  await session.idle();
  // Bytes that nobody can read, under the name that the next save will have.
  await remote.put(NAME, Uint8Array.of(1, 2, 3));
  const save = session.save();
  await expect.poll(() => namesIn(localStore, "checkpoints/")).toHaveLength(2);
  await session.call({ method: "sync" });
  answer();
  await session.until(() => session.fateOf(save).length === 2, "the save is never settled");
  expect(session.fateOf(save)).toEqual(["durable", "commitFailed"]);
  expect(session.told("commitFailed")).toMatchObject([{ willRetry: false, error: { className: "CorruptError" } }]);
  // What may be the only whole one stays in the local tier.
  expect(session.status.get("behind")).toBe(1);
  expect(await remote.get(NAME)).toEqual(Uint8Array.of(1, 2, 3));
});
