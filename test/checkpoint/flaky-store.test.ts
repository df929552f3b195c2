import { describe, expect, it } from "vitest";
import { createRandom } from "../../src/base/random.ts";
import { StoreError } from "../../src/errors.ts";
import type { Store } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { SessionOfTest, sequencesIn, stateOf } from "./session-of-test.ts";

/** Fails a fifth of all requests, half of those after they were done, and every one while it is away. */
function flaky(inner: Store, seed: number): { readonly store: Store; setAway: (isAway: boolean) => void } {
  const random = createRandom(seed);
  let isAway = false;
  const failure = (): StoreError => new StoreError("network", "request", "x", "planned");
  const around = async <T>(request: () => Promise<T>): Promise<T> => {
    const chance = random.uniform();
    if (isAway || chance < 0.1) throw failure();
    const answer = await request();
    if (chance < 0.2) throw failure();
    return answer;
  };
  const store: Store = {
    ...{ url: inner.url, traits: inner.traits },
    put: (name, bytes, options) => around(() => inner.put(name, bytes, options)),
    get: (name, options) => around(() => inner.get(name, options)),
    head: (name, options) => around(() => inner.head(name, options)),
    delete: (name, options) => around(() => inner.delete(name, options)),
    list: async function* (prefix, options) {
      yield* await around(() => Array.fromAsync(inner.list(prefix, options)));
    },
  };
  return { store, setAway: (value) => void (isAway = value) };
}

describe("a store that fails a fifth of all requests and is gone for 20 s", () => {
  it.each([
    ["one tier", 1],
    ["one tier", 2],
    ["two tiers", 2],
    ["two tiers", 3],
    ["two tiers", 4],
  ] as const)("has every checkpoint in the end, whole: %s, seed %i", async (tiers, seed) => {
    const inner = createMemoryStore();
    const { store, setAway } = flaky(inner, seed);
    const session = new SessionOfTest({
      remote: store,
      localStore: tiers === "one tier" ? undefined : createMemoryStore(),
    });
    // Time goes on by itself, a second at a time.
    const end = new AbortController();
    const ticking = (async () => {
      while (!end.signal.aborted) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        await session.time.advance(500);
      }
    })();
    await session.open();
    const saves: number[] = [];
    for (let round = 0; round < 12; round++) {
      const save = session.save();
      saves.push(save);
      if (round === 5) setAway(true);
      await session.until(() => session.fateOf(save).length > 0 || round === 5);
      if (round === 5) {
        const backAtMs = session.time.nowMs + 20_000;
        await session.until(() => session.time.nowMs >= backAtMs);
        setAway(false);
      }
    }
    await session.call({ method: "close" });
    end.abort();
    await ticking;
    expect(await sequencesIn(inner)).toEqual(saves);
    expect(await stateOf(inner)).toMatchObject({ isIntact: true });
    const committed = session.messages.flatMap((message) =>
      message.type === "event" && message.event.kind === "committed" ? [message.event.sequence] : [],
    );
    expect(committed).toEqual(saves);
    expect(session.status.storeStatus(0)).toMatchObject({ behind: 0, isDegraded: false });
  });
});
