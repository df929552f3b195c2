import { describe, expect, it } from "vitest";
import { randomId } from "../../src/base/ids.ts";
import { StoreError } from "../../src/errors.ts";
import { connectFolder } from "../../src/store/folder/folder-client.ts";
import type { ObjectClient } from "../../src/store/object-client.ts";
import { ObjectStore } from "../../src/store/object-store.ts";
import { storeContract } from "../../src/testing/index.ts";
import { temporaryFolder } from "../checkpoint/support.ts";

const TRAITS = { conditionalCreate: true, stronglyConsistent: true };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

interface Behaviour {
  /** Takes the condition of a create and does not heed it, as some servers do. */
  readonly ignoresCreate?: boolean;
  /** Puts that fail, by their number, beginning with 0. */
  readonly failingPuts?: readonly number[];
  /** As with credentials that may create and not delete. */
  readonly keepsAll?: boolean;
}

async function storeWith({ ignoresCreate = false, failingPuts = [], keepsAll = false }: Behaviour, traits = TRAITS) {
  const folder = connectFolder(await temporaryFolder());
  const puts: string[] = [];
  const client: ObjectClient = Object.assign(Object.create(folder) as ObjectClient, {
    put: async (key: string, content: Uint8Array, options: Parameters<ObjectClient["put"]>[2]) => {
      puts.push(key);
      if (failingPuts.includes(puts.length - 1)) throw new StoreError("network", "put", key, "planned");
      return folder.put(key, content, ignoresCreate ? { ...options, ifAbsent: false } : options);
    },
    get: folder.get.bind(folder),
    head: folder.head.bind(folder),
    list: folder.list.bind(folder),
    delete: async (key: string) => {
      if (keepsAll) throw new StoreError("permission", "delete", key, "planned");
      await folder.delete(key);
    },
    close: folder.close.bind(folder),
  });
  const location = { url: "", options: {} };
  const place = { url: "s3://bucket/run", prefix: "run/", traits, location, newId: randomId };
  return { store: new ObjectStore({ connect: async () => client, ...place }), puts, folder };
}

storeContract(
  "objects below a prefix",
  async () => ({ store: (await storeWith({})).store }),
  { describe, it },
  {
    bigObjectBytes: 1024 * 1024,
    objectCount: 60,
  },
);

describe("a store that ignores create-if-absent", () => {
  it("is refused before anything is written there, and leaves nothing behind", async () => {
    const { store, folder } = await storeWith({ ignoresCreate: true });
    const refused = { code: "VARVE_STORE", kind: "unsupported", retryable: false };
    await expect(store.put("writers/1.json", bytes("1"), { ifAbsent: true })).rejects.toMatchObject(refused);
    await expect(store.put("writers/1.json", bytes("1"), { ifAbsent: true })).rejects.toThrow(/two writers/);
    expect(await Array.fromAsync(folder.list(""))).toEqual([]);
  });

  it("is taken for a single writer that says so", async () => {
    const traits = { conditionalCreate: false, stronglyConsistent: true };
    const { store, puts } = await storeWith({ ignoresCreate: true }, traits);
    expect(await store.put("writers/1.json", bytes("1"), { ifAbsent: true })).toBe(true);
    expect(await store.put("writers/1.json", bytes("2"), { ifAbsent: true })).toBe(false);
    expect(await store.get("writers/1.json")).toEqual(bytes("1"));
    expect(puts).toEqual(["run/writers/1.json"]);
  });
});

describe("the trial of create-if-absent", () => {
  it("is made once, before the first create, and not for reading or replacing", async () => {
    const { store, puts } = await storeWith({});
    await store.get("a");
    await store.put("a", bytes("1"));
    expect(puts).toEqual(["run/a"]);
    await Promise.all([1, 2, 3].map((number) => store.put(`writers/${number}`, bytes("1"), { ifAbsent: true })));
    await store.put("writers/4", bytes("1"), { ifAbsent: true });
    expect(puts.filter((key) => key.startsWith("run/probe/"))).toHaveLength(2);
    expect(puts.filter((key) => key.startsWith("run/writers/"))).toHaveLength(4);
  });

  it.each([0, 1])("is no verdict where its put %i is not answered", async (failing) => {
    const { store } = await storeWith({ failingPuts: [failing] });
    await expect(store.put("a", bytes("1"), { ifAbsent: true })).rejects.toMatchObject({ kind: "network" });
    expect(await store.put("a", bytes("1"), { ifAbsent: true })).toBe(true);
    expect(await store.put("a", bytes("2"), { ifAbsent: true })).toBe(false);
  });

  it.each([false, true])("has its verdict also where nothing may be deleted (ignored: %s)", async (ignoresCreate) => {
    const { store } = await storeWith({ ignoresCreate, keepsAll: true });
    const put = store.put("a", bytes("1"), { ifAbsent: true });
    if (ignoresCreate) await expect(put).rejects.toMatchObject({ kind: "unsupported" });
    else expect(await put).toBe(true);
  });
});

describe("a store that is prepared", () => {
  it("has its client before the first request, makes no other, and tells nothing of a failure", async () => {
    const { folder } = await storeWith({});
    const failures = [new StoreError("permission", "open", "s3://bucket/run", "planned")];
    let connects = 0;
    const place = { url: "s3://bucket/run", prefix: "run/", traits: TRAITS, location: { url: "", options: {} } };
    const connect = async (): Promise<ObjectClient> => {
      connects += 1;
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      return folder;
    };
    const store = new ObjectStore({ connect, ...place });
    await store.prepare();
    expect(connects).toBe(1);
    // The request after a failure tries again, and would tell it.
    expect(await store.get("varve.json")).toBeNull();
    await store.prepare();
    expect(connects).toBe(2);
    const second = new ObjectStore({ connect, ...place });
    await second.prepare();
    expect(await second.get("varve.json")).toBeNull();
    expect(connects).toBe(3);
  });
});
