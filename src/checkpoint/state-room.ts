import type { BacklogPolicy, MemoryPolicy } from "./options.ts";
import { MAX_HOLDS, type SharedStatus } from "./shared-status.ts";
import type { StateBudget } from "./state-budget.ts";

export interface StateRoomOptions {
  readonly status: SharedStatus;
  readonly onBacklog: BacklogPolicy;
  readonly onMemoryPressure: MemoryPolicy;
  readonly maxBytes: number;
  /** False where saves go on only while the training thread yields: waiting for that would never end. */
  readonly canWait: boolean;
  /** Blocks the training thread until something is done, the saver is gone, or the time is up; counted. */
  readonly wait: (isDone: () => boolean, limitMs: number) => void;
  readonly isRunning: () => boolean;
  readonly warn: (message: string) => void;
}

/** A save that was taken up meanwhile is not dropped: then the next one has to go. */
const ASK_AGAIN_MS = 100;

/** What `save()` does when the copied state of saves that are not made yet has reached its limit. */
export class StateRoom {
  readonly #options: StateRoomOptions;
  /** How often training waited for each reason. */
  readonly #waits = new Map<string, number>();

  constructor(options: StateRoomOptions) {
    this.#options = options;
  }

  /**
   * With "queue" the policy for memory decides. With the others only messages under way to the saver hold more than
   * two saves, which it lets go of as soon as it reads them.
   *
   * @returns false where waiting would not help
   */
  make(budget: StateBudget, bytes: number): boolean {
    const { status, onBacklog, onMemoryPressure, canWait, wait, isRunning } = this.#options;
    const isDropping = onBacklog === "queue" && onMemoryPressure === "abandon";
    if (!isDropping && onBacklog === "queue" && canWait) this.#tell(budget, bytes);
    while (!budget.hasRoom(bytes) && isRunning()) {
      if (isDropping) {
        const upTo = budget.sequenceToDrop(bytes, status.current?.sequence ?? 0);
        status.dropUpTo(upTo, budget.heldBytes);
      }
      if (!canWait) return false;
      wait(() => budget.hasRoom(bytes), isDropping ? ASK_AGAIN_MS : Number.POSITIVE_INFINITY);
    }
    return isRunning();
  }

  /**
   * Before the wait: nobody hears anything of this thread meanwhile. The 1st, 10th, 100th time of each reason: where
   * every save waits, a warning for each would say nothing new.
   */
  #tell(budget: StateBudget, bytes: number): void {
    const { status, maxBytes, warn } = this.#options;
    const isCrowd = budget.saves >= MAX_HOLDS;
    const isAway = status.get("isDegraded") === 1;
    const reason = `${isCrowd} ${isAway}`;
    const waits = (this.#waits.get(reason) ?? 0) + 1;
    this.#waits.set(reason, waits);
    if (!Number.isInteger(Math.log10(waits))) return;
    const what = isCrowd
      ? `save() waits: ${budget.saves} saves are not made yet, the most that may wait`
      : `save() waits for memory: ${budget.saves} saves that are not made yet hold ${budget.heldBytes} bytes of state, ` +
        `this one needs ${bytes}, and maxPinnedBytes is ${maxBytes}`;
    const why = isAway
      ? "the store is away, and the oldest of them fails when its tries are used up"
      : "the store takes them more slowly than they are made";
    warn(`${what}; ${why}${waits === 1 ? "" : ` (for the ${waits}th time)`}`);
  }
}
