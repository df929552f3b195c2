import type { GenerationRecord, RunRecord, StatusRecord } from "../record/run-record.ts";

/** Counts of one process, which begin anew with the next. */
const COUNTS = [
  ...["blockedMs", "bytes", "bytesUp", "bytesUpInVain", "bytesDown", "retries", "memoryWaits"],
] as readonly Count[];

type Count = "blockedMs" | "bytes" | "bytesUp" | "bytesUpInVain" | "bytesDown" | "retries" | "memoryWaits";

/** What the records of a run add up to, over all its processes. Cost: constant for each record. */
export class RunTotals {
  saves = 0;
  failed = 0;
  skipped = 0;
  replaced = 0;
  committed = 0;
  /** What full saves would have written, and what these have. */
  logicalBytes = 0;
  storedBytes = 0;
  /** Time of the saver's thread: making checkpoints durable, and sending them on. */
  savingMs = 0;
  sendingMs = 0;
  warnings = 0;
  /** Whether there is a log, however short: what the store holds says nothing of what saving cost. */
  isKnown = false;
  /** Of all processes before this one. */
  readonly #earlier: Record<Count, number> = zeroes();
  #status: StatusRecord | null = null;
  #generation: GenerationRecord | null = null;
  #requests = 0;
  #earlierRequests = 0;

  /** Of the process that runs, or ran last. */
  get status(): StatusRecord | null {
    return this.#status;
  }

  get generation(): GenerationRecord | null {
    return this.#generation;
  }

  get requests(): number {
    return this.#earlierRequests + this.#requests;
  }

  sumOf(count: Count): number {
    return this.#earlier[count] + (this.#status?.status[count] ?? 0);
  }

  add(record: RunRecord): void {
    if (record.event !== "checkpoints") this.isKnown = true;
    switch (record.event) {
      case "start":
      case "resume":
        this.#beginProcess();
        return;
      case "generation":
        this.#generation = record;
        return;
      case "status":
        this.#status = record;
        this.#requests = Object.values(record.status.requestsByKind).reduce((sum, each) => sum + each, 0);
        return;
      case "durable":
        this.saves++;
        this.logicalBytes += record.logicalBytes;
        this.storedBytes += record.storedBytes;
        this.savingMs += Math.max(0, record.atMs - record.encodingAtMs);
        return;
      case "committed":
        this.committed++;
        if (record.sendingAtMs !== null) this.sendingMs += Math.max(0, record.atMs - record.sendingAtMs);
        return;
      case "failed":
      case "skipped":
      case "replaced":
        this[record.event]++;
        return;
      case "warning":
        this.warnings++;
        return;
      default:
        return;
    }
  }

  #beginProcess(): void {
    for (const count of COUNTS) this.#earlier[count] = this.sumOf(count);
    this.#earlierRequests = this.requests;
    this.#requests = 0;
    this.#status = null;
  }
}

function zeroes(): Record<Count, number> {
  return Object.fromEntries(COUNTS.map((count) => [count, 0])) as Record<Count, number>;
}
