import type { CheckpointerStatus, SavePhase } from "./options.ts";
import { UploadTable } from "./upload-table.ts";

/**
 * Counters in shared memory: written by the saver (but for `accepted` and what asks to give up), readable on the training thread at any
 * time, also from a loop that never yields to its event loop.
 */
const COUNTERS = [
  "heartbeat",
  "accepted",
  "completed",
  "failed",
  "skipped",
  "replaced",
  "behind",
  /** Checkpoints on their way from the local tier to the store. */
  "sending",
  /** Of all tiers, and of the first alone. */
  "requests",
  "firstRequests",
  /** At the run's own store, by kind. */
  "puts",
  "gets",
  "heads",
  "lists",
  "deletes",
  "retries",
  /** 1 while the run's store is given up on for the moment. */
  "isDegraded",
  "uploadsWaiting",
  "uploadsRunning",
  "uploadRetries",
  "currentSequence",
  "currentPhase",
  /** Saves up to this sequence are to be given up (`onMemoryPressure: "abandon"`). */
  "abandon",
  /** How often training asked for that. */
  "abandonRequests",
  /** Saves up to this sequence that wait are to be given up for their copied state, and how often that was asked. */
  "dropWaiting",
  "dropRequests",
  /** 1 while a listener waits for the next message of progress, and none lies unread in the port. */
  "isProgressAsked",
  "stopped",
] as const;

export type Counter = (typeof COUNTERS)[number];

/** Written by the saver, but for `pinned` and `held`: the bytes that made the training thread give up a save. */
const AMOUNTS = [
  /** Written to all tiers, and to the first alone. */
  "bytes",
  "firstBytes",
  /** At the run's own store. */
  "bytesUp",
  "bytesUpInVain",
  "bytesDown",
  "behindBytes",
  /** When the oldest checkpoint that the store lacks became durable, in ms since 1970; 0 where it lacks none. */
  "behindSinceMs",
  "uploadDone",
  "uploadTotal",
  "uploadRate",
  /** Negative while nothing moves. */
  "uploadEtaMs",
  "rawDone",
  "rawTotal",
  "pinned",
  /** As `pinned`: of copied state. */
  "held",
] as const;

export type Amount = (typeof AMOUNTS)[number];

const COUNTER_INDEX = indexOf(COUNTERS);
const AMOUNT_INDEX = indexOf(AMOUNTS);

function indexOf<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name, index) => [name, index])) as Record<Name, number>;
}

const TOTALS = [
  ...["accepted", "completed", "failed", "skipped", "replaced"],
  ...["requests", "puts", "gets", "heads", "lists", "deletes", "retries"],
] as readonly Counter[];

const TOTAL_AMOUNTS = ["bytes", "bytesUp", "bytesUpInVain", "bytesDown"] as const;

const PHASES: readonly SavePhase[] = [
  "waiting",
  "encoding",
  "writing",
  "durable",
  "committed",
  "replaced",
  "skipped",
  "failed",
];

/** Most saves that hold anything together; beyond, it is as if their state had reached its limit. */
export const MAX_HOLDS = 1024;

/** What `status()` tells of the run's store. */
type StoreStatus = Pick<
  CheckpointerStatus,
  | "behind"
  | "behindBytes"
  | "behindMs"
  | "isDegraded"
  | "upload"
  | "requestsByKind"
  | "bytesUp"
  | "bytesUpInVain"
  | "bytesDown"
  | "retries"
>;

const COUNTER_BYTES = 8 * Math.ceil(COUNTERS.length / 2);
const AMOUNT_BYTES = 8 * AMOUNTS.length;
const HOLD_BYTES = 4 * MAX_HOLDS;

export class SharedStatus {
  readonly memory: SharedArrayBuffer;
  /** 1 while the saver may still read what the save of this slot has copied. */
  readonly holds: Int32Array;
  /** Written by the saver. */
  readonly uploads: UploadTable;
  readonly #counters: Int32Array;
  readonly #amounts: Float64Array;

  constructor(
    memory: SharedArrayBuffer = new SharedArrayBuffer(COUNTER_BYTES + AMOUNT_BYTES + HOLD_BYTES + UploadTable.BYTES),
  ) {
    this.memory = memory;
    this.#counters = new Int32Array(memory, 0, COUNTERS.length);
    this.#amounts = new Float64Array(memory, COUNTER_BYTES, AMOUNTS.length);
    this.holds = new Int32Array(memory, COUNTER_BYTES + AMOUNT_BYTES, MAX_HOLDS);
    this.uploads = new UploadTable(memory, COUNTER_BYTES + AMOUNT_BYTES + HOLD_BYTES);
  }

  get(counter: Counter): number {
    return Atomics.load(this.#counters, COUNTER_INDEX[counter]);
  }

  set(counter: Counter, value: number): void {
    Atomics.store(this.#counters, COUNTER_INDEX[counter], value);
  }

  add(counter: Counter, value = 1): void {
    const index = COUNTER_INDEX[counter];
    Atomics.add(this.#counters, index, value);
    Atomics.notify(this.#counters, index);
  }

  /** Sleeps until the heartbeat moves, at most `timeoutMs`. Needs no event loop. */
  waitForHeartbeat(timeoutMs: number): void {
    Atomics.wait(this.#counters, COUNTER_INDEX.heartbeat, this.get("heartbeat"), timeoutMs);
  }

  amount(amount: Amount): number {
    return this.#amounts[AMOUNT_INDEX[amount]] ?? 0;
  }

  setAmount(amount: Amount, value: number): void {
    this.#amounts[AMOUNT_INDEX[amount]] = value;
  }

  addAmount(amount: Amount, value: number): void {
    this.setAmount(amount, this.amount(amount) + value);
  }

  /** What became of the saves that were accepted. */
  saveCounts(): Pick<CheckpointerStatus, "pending" | "completed" | "failed" | "skipped" | "replaced"> {
    const [completed, failed] = [this.get("completed"), this.get("failed")];
    const [skipped, replaced] = [this.get("skipped"), this.get("replaced")];
    return { pending: this.pending, completed, failed, skipped, replaced };
  }

  /**
   * How the run's store stands, and what it costs.
   *
   * @param isRunning - a saver that was lost sends nothing any more, whatever it said last
   */
  storeStatus(nowMs: number, isRunning = true): StoreStatus {
    const sinceMs = this.amount("behindSinceMs");
    const etaMs = this.amount("uploadEtaMs");
    return {
      behind: this.get("behind"),
      behindBytes: this.amount("behindBytes"),
      behindMs: sinceMs === 0 ? 0 : Math.max(0, nowMs - sinceMs),
      isDegraded: this.get("isDegraded") === 1,
      upload: {
        waiting: this.get("uploadsWaiting"),
        running: this.get("uploadsRunning"),
        bytesDone: this.amount("uploadDone"),
        bytesTotal: this.amount("uploadTotal"),
        bytesPerSecond: this.amount("uploadRate"),
        etaMs: etaMs < 0 ? null : etaMs,
        retries: this.get("uploadRetries"),
        jobs: isRunning ? this.uploads.read() : [],
      },
      requestsByKind: {
        put: this.get("puts"),
        get: this.get("gets"),
        head: this.get("heads"),
        list: this.get("lists"),
        delete: this.get("deletes"),
      },
      bytesUp: this.amount("bytesUp"),
      bytesUpInVain: this.amount("bytesUpInVain"),
      bytesDown: this.amount("bytesDown"),
      retries: this.get("retries"),
    };
  }

  /** Accepted saves that are neither durable nor given up yet. */
  get pending(): number {
    return (
      this.get("accepted") - this.get("completed") - this.get("failed") - this.get("skipped") - this.get("replaced")
    );
  }

  /** Tells the saver to give up every save up to this one. */
  abandonUpTo(sequence: number, pinnedBytes: number): void {
    this.setAmount("pinned", pinnedBytes);
    this.set("abandon", sequence);
    this.add("abandonRequests");
  }

  /** Tells the saver to give up the saves up to this one that wait; the one that it is making goes on. */
  dropUpTo(sequence: number, heldBytes: number): void {
    this.setAmount("held", heldBytes);
    this.set("dropWaiting", sequence);
    this.add("dropRequests");
  }

  /** For the saver that replaces a lost one: the totals so far, in memory of its own. */
  successor(): SharedStatus {
    const next = new SharedStatus();
    for (const counter of TOTALS) next.set(counter, this.get(counter));
    for (const amount of TOTAL_AMOUNTS) next.setAmount(amount, this.amount(amount));
    return next;
  }

  setCurrent(sequence: number, phase: SavePhase): void {
    this.set("currentPhase", PHASES.indexOf(phase));
    this.set("currentSequence", sequence);
  }

  get current(): { readonly sequence: number; readonly phase: SavePhase } | null {
    const sequence = this.get("currentSequence");
    return sequence === 0 ? null : { sequence, phase: PHASES[this.get("currentPhase")] ?? "waiting" };
  }
}
