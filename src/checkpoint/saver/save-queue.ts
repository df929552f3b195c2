import type { BacklogPolicy } from "../options.ts";
import type { SaveJob } from "./save-job.ts";

export interface QueueOutcomes {
  readonly onReplaced: (job: SaveJob, by: SaveJob) => void;
  readonly onSkipped: (job: SaveJob) => void;
}

/** Saves that wait for their turn, and what a newcomer does when there is one under way (`onBacklog`). */
export class SaveQueue {
  readonly #policy: BacklogPolicy;
  readonly #outcomes: QueueOutcomes;
  #waiting: SaveJob[] = [];
  #current: SaveJob | null = null;
  #isShortOfTime = false;
  /** Gave way to the newest, whose fate is theirs. */
  #superseded: SaveJob[] = [];

  constructor(policy: BacklogPolicy, outcomes: QueueOutcomes) {
    this.#policy = policy;
    this.#outcomes = outcomes;
  }

  offer(job: SaveJob): void {
    const isBusy = this.#current !== null || this.#waiting.length > 0;
    if (isBusy && this.#policy === "skip" && !this.#isShortOfTime) {
      this.#outcomes.onSkipped(job);
      return;
    }
    if (this.#policy === "coalesce") {
      const replaced = this.#waiting;
      this.#waiting = [];
      for (const older of replaced) this.#outcomes.onReplaced(older, job);
    }
    this.#waiting.push(job);
    if (this.#isShortOfTime) this.preferNewest();
  }

  /** The next save to work on; call `done` before asking again. */
  take(): SaveJob | null {
    this.#current = this.#waiting.shift() ?? null;
    return this.#current;
  }

  /** For lack of time: of the saves that wait, all but the newest give way to it, and from now on to every newer one. */
  preferNewest(): void {
    this.#isShortOfTime = true;
    const older = this.#waiting.slice(0, -1);
    this.#waiting = this.#waiting.slice(-1);
    for (const job of older) job.releaseAll();
    this.#superseded.push(...older);
  }

  /** Those that gave way to this save: it is made, or has failed. */
  takeSuperseded(by: SaveJob): readonly SaveJob[] {
    const theirs = this.#superseded.filter(({ message }) => message.sequence < by.message.sequence);
    this.#superseded = this.#superseded.filter((job) => !theirs.includes(job));
    return theirs;
  }

  /** Everything but the save under way. */
  removeAll(): readonly SaveJob[] {
    const removed = [...this.#superseded, ...this.#waiting];
    [this.#superseded, this.#waiting] = [[], []];
    return removed;
  }

  get current(): SaveJob | null {
    return this.#current;
  }

  /** Takes the saves up to a sequence out of the queue, and those that had given way to one of them. */
  removeUpTo(sequence: number): readonly SaveJob[] {
    const removed = this.#waiting.filter(({ message }) => message.sequence <= sequence);
    this.#waiting = this.#waiting.filter(({ message }) => message.sequence > sequence);
    const newest = removed.at(-1);
    // With another one left, or older than the one under way, they share the fate of that.
    if (newest === undefined || this.#waiting.length > 0) return removed;
    const underWay = this.#current?.message.sequence ?? 0;
    const theirs = this.#superseded.filter(({ message }) => message.sequence > underWay);
    this.#superseded = this.#superseded.filter((job) => !theirs.includes(job));
    return [...theirs, ...removed];
  }

  done(): void {
    this.#current = null;
  }

  /** The save under way, and those that wait. */
  get jobs(): readonly SaveJob[] {
    return this.#current === null ? this.#waiting : [this.#current, ...this.#waiting];
  }

  get isIdle(): boolean {
    return this.#current === null && this.#waiting.length === 0;
  }
}
