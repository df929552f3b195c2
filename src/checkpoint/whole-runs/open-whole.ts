import { systemClock } from "../../base/clock.ts";
import { randomId } from "../../base/ids.ts";
import { createRandom } from "../../base/random.ts";
import { systemSleep } from "../../base/timers.ts";
import { openStore } from "../../store/open-store.ts";
import type { Store } from "../../store/store.ts";
import { DEFAULT_RETRY } from "../../transfer/retry.ts";
import { withRetries } from "../../transfer/retrying-store.ts";

/** A store that requests are tried again on, for minutes: whole runs are moved, and somebody waits. */
export async function openWhole(store: string | Store): Promise<{ readonly store: Store; readonly inner: Store }> {
  const inner = typeof store === "string" ? await openStore(store) : store;
  const random = createRandom(Number.parseInt(randomId().slice(0, 8), 16));
  const isDisk = inner.url.startsWith("file:");
  // What fails on local disk fails at once.
  const policy = { ...DEFAULT_RETRY, ...(isDisk ? { attempts: 1 } : {}) };
  return { inner, store: withRetries(inner, { policy, clock: systemClock, sleep: systemSleep, random }) };
}
