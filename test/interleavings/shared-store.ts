import { StoreError } from "../../src/errors.ts";
import type { ObjectInfo, Store } from "../../src/store/store.ts";

interface StoredObject {
  readonly bytes: Uint8Array;
  readonly modifiedAtMs: number;
}

/** What all processes of a world share. Its operations are done at once; when they are done is the scheduler's. */
export class SharedObjects {
  readonly objects: Map<string, StoredObject> = new Map();
  /** Names that were given other bytes than they had: none may be. */
  readonly overwritten: string[] = [];
  /** Every object that there ever was. */
  readonly everything: Map<string, Uint8Array> = new Map();
  nowMs = 1_000_000;

  put(name: string, bytes: Uint8Array, ifAbsent: boolean): boolean {
    const old = this.objects.get(name);
    if (old !== undefined && ifAbsent) return false;
    const isFixed = /^(?:checkpoints|writers|packs)\/[^.]*\.(?:json|pack)$|^varve\.json$/.test(name);
    const before = this.everything.get(name);
    if (isFixed && before !== undefined && Buffer.compare(before, bytes) !== 0) this.overwritten.push(name);
    const stored = new Uint8Array(bytes);
    this.objects.set(name, { bytes: stored, modifiedAtMs: this.nowMs });
    this.everything.set(name, stored);
    return true;
  }

  info(name: string): ObjectInfo | null {
    const object = this.objects.get(name);
    return object === undefined ? null : { name, sizeBytes: object.bytes.length, modifiedAtMs: object.modifiedAtMs };
  }

  names(prefix: string): string[] {
    return [...this.objects.keys()].filter((name) => name.startsWith(prefix)).sort();
  }
}

export type Trouble = "lost answer" | "rejected";

/** How one process reaches the shared objects. */
export interface Access {
  /** Waits for the operation's turn. */
  readonly turn: (what: string) => Promise<void>;
  /** What goes wrong with the operation that has its turn; null: nothing. */
  readonly trouble: () => Trouble | null;
}

/** A process's own connection: each operation waits for its turn, and may lose its answer. */
export function connect(shared: SharedObjects, url: string, { turn, trouble }: Access): Store {
  async function request<T>(method: string, name: string, work: () => T): Promise<T> {
    await turn(`${method} ${name}`);
    const wrong = trouble();
    const failure = (): StoreError => new StoreError("network", method, name, wrong ?? "");
    if (wrong === "rejected") throw failure();
    const answer = work();
    if (wrong === "lost answer") throw failure();
    return answer;
  }
  return {
    ...{ url, traits: { conditionalCreate: true, stronglyConsistent: true, visibleIsDurable: true } },
    put: (name, bytes, options) => {
      // What is sent is what was there at the call.
      const sent = new Uint8Array(bytes);
      return request("put", name, () => shared.put(name, sent, options?.ifAbsent === true));
    },
    get: (name) => request("get", name, () => shared.objects.get(name)?.bytes.slice() ?? null),
    head: (name) => request("head", name, () => shared.info(name)),
    delete: (name) => request("delete", name, () => void shared.objects.delete(name)),
    list: async function* (prefix) {
      // Two pages: what comes into being between them is seen only if it sorts behind the first.
      const first = await request("list", prefix, () => shared.names(prefix));
      const page = first.slice(0, 2).flatMap((name) => shared.info(name) ?? []);
      yield* page;
      const last = page.at(-1)?.name;
      if (last === undefined || first.length <= 2) return;
      const rest = await request("list on", prefix, () => shared.names(prefix).filter((name) => name > last));
      for (const name of rest) {
        const info = shared.info(name);
        if (info !== null) yield info;
      }
    },
  };
}
