import type { Store } from "../../store/store.ts";
import type { Counter, SharedStatus } from "../shared-status.ts";

/** What of a run a store is: `first` is where checkpoints become durable, `own` the run's store; one may be both. */
export interface CountedAs {
  readonly first: boolean;
  readonly own: boolean;
}

type Kind = Extract<Counter, "puts" | "gets" | "heads" | "lists" | "deletes">;

const KINDS = { put: "puts", get: "gets", head: "heads", delete: "deletes" } as const;

/** Names in one page of a listing, and so in one request, at most: the same at Google, Amazon and Microsoft or larger. */
const PAGE = 1000;

/** Counts every request and every byte, each try by itself, where the training thread can read it. */
export function withCounting(store: Store, status: SharedStatus, { first, own }: CountedAs): Store {
  const count = (kind: Kind): void => {
    status.add("requests");
    if (first) status.add("firstRequests");
    if (own) status.add(kind);
  };
  const onExtraRequest = (verb: keyof typeof KINDS, bytesUp: number): void => {
    count(KINDS[verb]);
    if (own) status.addAmount("bytesUp", bytesUp);
  };
  const wrote = (bytes: number, isCreated: boolean): void => {
    if (own) status.addAmount("bytesUp", bytes);
    if (!isCreated) return;
    status.addAmount("bytes", bytes);
    if (first) status.addAmount("firstBytes", bytes);
  };
  return {
    url: store.url,
    traits: store.traits,
    location: store.location,
    put: async (name, bytes, options) => {
      count("puts");
      let isAnswered = false;
      try {
        const isCreated = await store.put(name, bytes, { ...options, onExtraRequest });
        isAnswered = true;
        wrote(bytes.byteLength, isCreated);
        return isCreated;
      } finally {
        if (own && !isAnswered) status.addAmount("bytesUpInVain", bytes.byteLength);
      }
    },
    get: async (name, options) => {
      count("gets");
      const bytes = await store.get(name, options);
      if (own) status.addAmount("bytesDown", bytes?.byteLength ?? 0);
      return bytes;
    },
    head: (name, options) => {
      count("heads");
      return store.head(name, { ...options, onExtraRequest });
    },
    delete: (name, options) => {
      count("deletes");
      return store.delete(name, options);
    },
    list: (prefix, options) => eachPage(store.list(prefix, options), () => count("lists")),
    close: async () => store.close?.(),
  };
}

async function* eachPage<Item>(items: AsyncIterable<Item>, onPage: () => void): AsyncGenerator<Item> {
  let listed = 0;
  onPage();
  for await (const item of items) {
    if (listed++ > 0 && listed % PAGE === 1) onPage();
    yield item;
  }
}
