import { describe, expect, it } from "vitest";
import { createRandom } from "../../src/base/random.ts";
import { StoreError } from "../../src/errors.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { type Fault, storeContract, withFaults } from "../../src/testing/index.ts";
import type { RetryPolicy } from "../../src/transfer/retry.ts";
import { withRetries } from "../../src/transfer/retrying-store.ts";
import { FakeTime } from "./fake-time.ts";

const POLICY: RetryPolicy = { attempts: 4, baseDelayMs: 100, maxDelayMs: 1000, budgetMs: 60_000 };

/** A store that goes wrong as planned, tried again without any waiting. */
function retried(...faults: Fault[]) {
  const memory = createMemoryStore();
  const faulty = withFaults(memory, faults);
  const time = new FakeTime();
  const pauses: number[] = [];
  const store = withRetries(faulty, {
    policy: POLICY,
    clock: time.clock,
    random: createRandom(1),
    sleep: async (delayMs, signal) => {
      signal?.throwIfAborted();
      pauses.push(delayMs);
    },
  });
  return { memory, store, faults: faulty.faults, pauses };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

storeContract(
  "retrying store",
  async () => ({ store: retried().store }),
  { describe, it },
  { traits: createMemoryStore().traits },
);

describe("requests that are tried again", () => {
  it.each(["put", "get", "head", "list", "delete"] as const)("%s is sent until it succeeds", async (method) => {
    const { memory, store, faults, pauses } = retried({ kind: "reject", method, times: 3 });
    await memory.put("a", bytes("one"));
    const request = {
      put: async () => store.put("b", bytes("two")),
      get: async () => store.get("a"),
      head: async () => store.head("a"),
      list: async () => Array.fromAsync(store.list("")),
      delete: async () => store.delete("a"),
    }[method];
    await request();
    expect(faults.calls[method]).toBe(4);
    expect(pauses).toHaveLength(3);
  });

  it("are given up after the last try, with its error", async () => {
    const { store, faults } = retried({ kind: "reject", times: 100 });
    await expect(store.get("a")).rejects.toMatchObject({ code: "VARVE_STORE", kind: "network" });
    expect(faults.calls.get).toBe(4);
  });

  it("are not sent twice where that cannot help", async () => {
    const error = () => new StoreError("permission", "get", "a", "no");
    const { store, faults, pauses } = retried({ kind: "reject", error });
    await expect(store.get("a")).rejects.toMatchObject({ kind: "permission" });
    expect([faults.calls.get, pauses]).toEqual([1, []]);
  });

  it("wait as long as the server asks", async () => {
    const error = () => new StoreError("busy", "get", "a", "later", { retryAfterMs: 7000 });
    const { store, pauses } = retried({ kind: "reject", error });
    await store.get("a");
    expect(pauses).toEqual([7000]);
  });

  it("end as cancelled when they are cancelled between two tries", async () => {
    const controller = new AbortController();
    const error = () => {
      controller.abort(new Error("enough"));
      return new StoreError("busy", "get", "a", "later", { retryable: true });
    };
    const { store } = retried({ kind: "reject", error });
    await expect(store.get("a", { signal: controller.signal })).rejects.toMatchObject({ code: "VARVE_STORE" });
  });
});

describe("a create whose answer was lost", () => {
  it("is recognised as our own by what is there", async () => {
    const { memory, store } = retried({ kind: "lost-answer", method: "put" });
    expect(await store.put("writers/1.json", bytes("id 1"), { ifAbsent: true })).toBe(true);
    expect(await memory.get("writers/1.json")).toEqual(bytes("id 1"));
  });

  it("is not taken for our own where another was quicker", async () => {
    const { memory, store } = retried({ kind: "reject", method: "put" });
    await memory.put("writers/1.json", bytes("id 2"));
    expect(await store.put("writers/1.json", bytes("id 1"), { ifAbsent: true })).toBe(false);
    expect(await memory.get("writers/1.json")).toEqual(bytes("id 2"));
  });

  it("costs no reading where nothing failed", async () => {
    const { store, faults } = retried();
    await store.put("a", bytes("1"), { ifAbsent: true });
    // The same bytes: without a failed try of ours it is another's object all the same.
    expect(await store.put("a", bytes("1"), { ifAbsent: true })).toBe(false);
    expect(faults.calls.get).toBe(0);
  });
});

describe("a listing that breaks off", () => {
  it("goes on after the last name, and tells none twice", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `packs/${String(index).padStart(2, "0")}`);
    const memory = createMemoryStore();
    for (const name of names) await memory.put(name, bytes(name));
    let breaks = 3;
    const breaking = Object.assign(Object.create(memory), {
      async *list(prefix: string) {
        let told = 0;
        for await (const info of memory.list(prefix)) {
          if (breaks > 0 && told++ === 4 + breaks) {
            breaks -= 1;
            throw new StoreError("network", "list", prefix, "cut");
          }
          yield info;
        }
      },
    });
    const time = new FakeTime();
    const store = withRetries(breaking, {
      policy: POLICY,
      clock: time.clock,
      random: createRandom(1),
      sleep: async () => undefined,
    });
    expect((await Array.fromAsync(store.list("packs/"))).map(({ name }) => name)).toEqual(names);
    expect(breaks).toBe(0);
  });

  it("is let go of below when it is left in the middle", async () => {
    const memory = createMemoryStore();
    for (const name of ["a", "b", "c"]) await memory.put(name, bytes(name));
    let open = 0;
    const counting = Object.assign(Object.create(memory), {
      async *list(prefix: string) {
        open++;
        try {
          yield* memory.list(prefix);
        } finally {
          open--;
        }
      },
    });
    const { clock, sleep } = new FakeTime();
    const store = withRetries(counting, { policy: POLICY, clock, random: createRandom(1), sleep });
    for await (const { name } of store.list("")) {
      expect([name, open]).toEqual(["a", 1]);
      break;
    }
    expect(open).toBe(0);
  });
});
