import type { CopyOutcome, Store } from "../../store/store.ts";
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
export function withCounting(store: Store, status: SharedStatus, as: CountedAs): Store {
  const counts = new Counts(status, as);
  const { onExtraRequest } = counts;
  return {
    url: store.url,
    traits: store.traits,
    location: store.location,
    put: async (name, bytes, options) => {
      counts.request("puts");
      const sent = await counts.sending(bytes.byteLength, async () => {
        const isCreated = await store.put(name, bytes, { ...options, onExtraRequest });
        return isCreated ? "created" : "there";
      });
      return sent === "created";
    },
    ...(store.copyFrom && {
      copyFrom: (source, name, options) => {
        // The reading of the source, of which this thread sees nothing.
        status.add("requests");
        const copy = async () => (await store.copyFrom?.(source, name, { ...options, onExtraRequest })) ?? "unread";
        return counts.sending(options.sizeBytes, copy, () => counts.request("puts"));
      },
    }),
    get: async (name, options) => {
      counts.request("gets");
      const bytes = await store.get(name, options);
      counts.read(bytes?.byteLength ?? 0);
      return bytes;
    },
    head: (name, options) => {
      counts.request("heads");
      return store.head(name, { ...options, onExtraRequest });
    },
    delete: (name, options) => {
      counts.request("deletes");
      return store.delete(name, options);
    },
    list: (prefix, options) => eachPage(store.list(prefix, options), () => counts.request("lists")),
    close: async () => store.close?.(),
  };
}

class Counts {
  readonly #status: SharedStatus;
  readonly #as: CountedAs;

  constructor(status: SharedStatus, as: CountedAs) {
    this.#status = status;
    this.#as = as;
  }

  request(kind: Kind): void {
    this.#status.add("requests");
    if (this.#as.first) this.#status.add("firstRequests");
    if (this.#as.own) this.#status.add(kind);
  }

  readonly onExtraRequest = (verb: keyof typeof KINDS, bytes: number): void => {
    this.request(KINDS[verb]);
    if (this.#as.own) this.#status.addAmount(verb === "get" ? "bytesDown" : "bytesUp", bytes);
  };

  read(bytes: number): void {
    if (this.#as.own) this.#status.addAmount("bytesDown", bytes);
  }

  /** @param onAsked - told once the store has been asked, whatever it answered */
  async sending(bytes: number, send: () => Promise<CopyOutcome>, onAsked?: () => void): Promise<CopyOutcome> {
    let outcome: CopyOutcome | null = null;
    try {
      outcome = await send();
      if (outcome !== "unread") this.#wrote(bytes, outcome !== "there");
      return outcome;
    } finally {
      if (outcome !== "unread") onAsked?.();
      if (this.#as.own && outcome === null) this.#status.addAmount("bytesUpInVain", bytes);
    }
  }

  #wrote(bytes: number, isNew: boolean): void {
    if (this.#as.own) this.#status.addAmount("bytesUp", bytes);
    if (!isNew) return;
    this.#status.addAmount("bytes", bytes);
    if (this.#as.first) this.#status.addAmount("firstBytes", bytes);
  }
}

async function* eachPage<Item>(items: AsyncIterable<Item>, onPage: () => void): AsyncGenerator<Item> {
  let listed = 0;
  onPage();
  for await (const item of items) {
    if (listed++ > 0 && listed % PAGE === 1) onPage();
    yield item;
  }
}
