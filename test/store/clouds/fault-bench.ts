import { systemClock } from "../../../src/base/clock.ts";
import { createRandom } from "../../../src/base/random.ts";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { ObjectStore } from "../../../src/store/object-store.ts";
import { type ObjectPlace, parseObjectUrl } from "../../../src/store/object-url.ts";
import type { Store } from "../../../src/store/store.ts";
import type { RetryContext } from "../../../src/transfer/retry.ts";
import { withRetries } from "../../../src/transfer/retrying-store.ts";
import { type ChaosFault, type ChaosProxy, startChaosProxy } from "../../servers/chaos-proxy.ts";
import type { RunningCloud } from "../../servers/running-cloud.ts";

/** How many requests each step of an upload in pieces sends; 0 where it sends none, or cannot be done. */
export type PieceRequests = Readonly<Record<"begin" | "put" | "held" | "complete" | "abort" | "open", number>>;

/** How one provider is reached in these tests. */
export interface CloudUnderTest {
  readonly start: () => Promise<RunningCloud>;
  readonly connect: (place: ObjectPlace, small: typeof SMALL) => Promise<ObjectClient>;
  readonly pieceRequests: PieceRequests;
  /** Whether a piece that was corrupted on its way ends the upload (GCS: its checksum is of the whole file). */
  readonly corruptionEndsUpload?: boolean;
  /** Faults that this matrix has run with this provider at least; fewer means that cells were left out. */
  readonly atLeast: number;
}

/** Sizes of pages and pieces that make small objects enough. */
export const SMALL: { readonly pageSize: number; readonly pieceBytes: number } = {
  pageSize: 3,
  pieceBytes: 1024 * 1024,
};

/** For requests that stand still. */
const IMPATIENT_MS = 200;
/** For all others: the process, its server and all may well stand still for a moment on a machine that is busy. */
const PATIENT_MS = 5_000;

export interface Bench {
  readonly cloud: RunningCloud;
  readonly proxy: ChaosProxy;
  /** Through the proxy, tried again. */
  readonly store: Store;
  /** Through the proxy, each request once. */
  readonly client: ObjectClient;
  /** The same, with connections that are soon cut when nothing moves on them. */
  readonly impatient: Pick<Bench, "store" | "client">;
  /** Straight to the server, to see what is there. */
  readonly inside: Store;
  readonly insideClient: ObjectClient;
  readonly prefix: string;
  /** For what has no retries of its own. */
  readonly retry: RetryContext;
  /** Before each further try, as long as it would have taken. */
  readonly pauses: number[];
  /** What the operation under way is about, where that is an upload in pieces. */
  upload: { readonly key: string; readonly id: string };
}

export async function openBench({ start, connect }: CloudUnderTest): Promise<Bench> {
  const cloud = await start();
  const proxy = await startChaosProxy(cloud.port);
  const url = cloud.newUrl();
  const inside = parseObjectUrl(url, cloud.options());
  const storeAt = (place: ObjectPlace): Store =>
    new ObjectStore({
      connect: () => connect(place, SMALL),
      ...{ url: place.url, prefix: place.prefix, location: { url, options: {} } },
      traits: { conditionalCreate: true, stronglyConsistent: true },
    });
  const pauses: number[] = [];
  const retry: RetryContext = {
    policy: { attempts: 3, baseDelayMs: 1, maxDelayMs: 2, budgetMs: 60_000 },
    clock: systemClock,
    random: createRandom(1),
    sleep: async (delayMs) => void pauses.push(delayMs),
  };
  const throughProxy = async (idleTimeoutMs: number): Promise<Bench["impatient"]> => {
    const place = parseObjectUrl(url, { ...cloud.options(proxy.port), idleTimeoutMs });
    return { store: withRetries(storeAt(place), retry), client: await connect(place, SMALL) };
  };
  return {
    ...{ cloud, proxy, retry, pauses, prefix: inside.prefix, upload: { key: "", id: "" } },
    ...(await throughProxy(PATIENT_MS)),
    impatient: await throughProxy(IMPATIENT_MS),
    inside: storeAt(inside),
    insideClient: await connect(inside, SMALL),
  };
}

/** As an operation uses it that meets this fault. */
export function benchFor(bench: Bench, { kind }: ChaosFault): Bench {
  return kind.endsWith("stalled") || kind === "answer trickles" ? { ...bench, ...bench.impatient } : bench;
}

export async function closeBench(bench: Bench): Promise<void> {
  for (const { store, client } of [bench, bench.impatient]) {
    await store.close?.();
    await client.close();
  }
  await bench.inside.close?.();
  await bench.insideClient.close();
  await bench.proxy.close();
  await bench.cloud.close();
}
