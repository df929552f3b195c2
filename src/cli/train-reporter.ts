import type { CheckpointEvent } from "../checkpoint/events.ts";
import { type CheckpointerStatus, isVarveError } from "../index.ts";
import type { GenerationReport } from "../trainer/contract.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { describeError } from "./error-report.ts";
import { formatBytes, formatCount, formatDuration, formatScore, formatSmaller, plural } from "./format.ts";

/** What the saves of this process amount to. */
export interface SaveTotals {
  readonly checkpoints: number;
  readonly failed: number;
  /** What full saves would have written. */
  readonly bytesLogical: number;
  readonly bytesStored: number;
  /** Whether the newest save failed: then the end of the run is not on disk. */
  readonly newestFailed: boolean;
}

/** Whether saves go to a store that is not local disk, and whether local disk has them first. */
export type UploadKind = "none" | "from memory" | "after local disk";

/** Tells a person what training and its saves do, and adds up what was saved. */
export class TrainReporter {
  readonly #output: ConsoleOutput;
  readonly #uploads: UploadKind;
  #checkpoints = 0;
  #failed = 0;
  #bytesLogical = 0;
  #bytesStored = 0;
  #newestDurable = 0;
  #newestFailed = 0;
  #committed = 0;
  #uploadLine = "";
  #isFenced = false;
  /** As it was told when the store went away. */
  #whyAway: string | null = null;

  constructor(output: ConsoleOutput, uploads: UploadKind) {
    this.#output = output;
    this.#uploads = uploads;
  }

  get totals(): SaveTotals {
    return {
      checkpoints: this.#checkpoints,
      failed: this.#failed,
      bytesLogical: this.#bytesLogical,
      bytesStored: this.#bytesStored,
      newestFailed: this.#newestFailed > this.#newestDurable,
    };
  }

  /** Whether another process took the run over: no save of this one can succeed any more. */
  get isFenced(): boolean {
    return this.#isFenced;
  }

  generation(report: GenerationReport, status: CheckpointerStatus): void {
    const { bold } = this.#output.style;
    const number = String(report.generation).padStart(String(report.generations).length);
    const parts = [
      bold(`generation ${number}/${report.generations}`),
      `fitness mean ${formatScore(report.fitnessMean)}, max ${formatScore(report.fitnessMax)}`,
      ...(report.validation === null ? [] : [`validation ${formatScore(report.validation)}`]),
      describeBuffer(report),
      formatDuration(report.generationMs),
      ...(status.pending === 0 ? [] : [`${plural(status.pending, "save")} under way`]),
    ];
    this.#output.message(parts.join(" · "));
    this.#tellUploads(status);
  }

  checkpoint(event: CheckpointEvent): void {
    const { dim, green } = this.#output.style;
    switch (event.kind) {
      case "queued":
        this.#output.message(
          dim(`  save ${event.sequence} queued: ${this.#size(event)}, blocked ${formatDuration(event.blockedMs)}`),
        );
        return;
      case "durable":
        this.#checkpoints += 1;
        this.#bytesLogical += event.logicalBytes;
        this.#bytesStored += event.storedBytes;
        this.#newestDurable = Math.max(this.#newestDurable, event.sequence);
        this.#output.message(`  ${green(`save ${event.sequence} durable`)}${dim(`: ${this.#stored(event)}`)}`);
        return;
      case "committed":
        this.#committed += 1;
        if (this.#uploads === "after local disk")
          this.#output.message(dim(`  save ${event.sequence} committed to ${event.store}`));
        return;
      case "failed":
        this.#failed += 1;
        this.#newestFailed = Math.max(this.#newestFailed, event.sequence);
        this.#tellFailure(event);
        return;
      case "degraded":
        this.#tellAway(event);
        return;
      case "recovered":
        this.#whyAway = null;
        this.#output.message(
          `${event.store} is back after ${formatDuration(event.awayMs)}: ${plural(event.behind, "checkpoint")} still to send`,
        );
        return;
      case "skipped":
        this.#output.message(`  save ${event.sequence} skipped: an earlier one is still under way`);
        return;
      case "replaced":
        this.#output.message(`  save ${event.sequence} replaced by save ${event.by}, which came while it waited`);
        return;
      case "warning":
        this.#output.warn(`WARNING: ${event.message}`);
        return;
      case "waited":
        // A warning says that training waits; how long, the log and the dashboard.
        return;
    }
  }

  #tellAway({ store, error }: Extract<CheckpointEvent, { kind: "degraded" }>): void {
    this.#whyAway = describeError(error);
    this.#output.warn(`${store} ${isRefusal(error) ? "takes no checkpoints" : "is away"}: ${this.#whyAway}`);
    if (this.#uploads === "after local disk") {
      this.#output.warn("  Saves go on to local disk; what the store lacks is sent when it is back.");
    }
  }

  /** That the run was taken over is told once: every later save fails for the same reason. */
  #tellFailure({ sequence, step, error }: Extract<CheckpointEvent, { kind: "failed" }>): void {
    const wasFenced = this.#isFenced;
    this.#isFenced ||= isVarveError(error, "VARVE_FENCED");
    if (wasFenced) return;
    const why = describeError(error);
    this.#output.warn(
      `save ${sequence} (step ${step}) FAILED: ${why === this.#whyAway ? "for the reason above" : why}`,
    );
  }

  /** The line that the original printed after every generation; here only when it says something new. */
  #tellUploads({ pending, behind }: CheckpointerStatus): void {
    if (this.#uploads === "none") return;
    const line = `Upload status: ${Math.max(pending, behind)} pending, ${this.#committed} completed, ${this.#failed} failed`;
    if (line === this.#uploadLine) return;
    this.#uploadLine = line;
    this.#output.message(this.#output.style.dim(`  ${line}`));
  }

  #size(event: { readonly transitions: number; readonly logicalBytes: number }): string {
    return `${plural(event.transitions, "transition")}, ${formatBytes(event.logicalBytes)}`;
  }

  #stored(event: Extract<CheckpointEvent, { kind: "durable" }>): string {
    const written = `${formatBytes(event.storedBytes)} written (${formatSmaller(event.logicalBytes, event.storedBytes)})`;
    return `${this.#size(event)} → ${written}, ${formatDuration(event.elapsedMs)}`;
  }
}

/** It answers, and says no: nobody has to wait for its return. */
function isRefusal(error: unknown): boolean {
  return isVarveError(error, "VARVE_STORE") && "retryable" in error && error.retryable === false;
}

function describeBuffer(report: GenerationReport): string {
  const { bufferSize, bufferCapacity, learningStarts } = report;
  if (bufferSize < learningStarts) {
    return `buffer not ready: ${formatCount(bufferSize)} / ${formatCount(learningStarts)}`;
  }
  return `buffer ${formatCount(bufferSize)} / ${formatCount(bufferCapacity)}`;
}
