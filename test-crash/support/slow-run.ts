import { join } from "node:path";
import { type Injection, runTraced } from "./traced-process.ts";

const SLOW = join(import.meta.dirname, "slow-disk-process.ts");

/** What a training thread saw of saves that took their time. */
export interface SlowRun {
  readonly mostPending: number;
  readonly pendingAtEnd: number;
  /** Rounds of the training loop that passed while a save was under way; 20,000 for each at most. */
  readonly stepsWhilePending: number;
  readonly replaced: number;
  readonly rejected: number;
  readonly blockedMs: number;
  readonly longestBlockMs: number;
  readonly memoryWaits: number;
  /** The median of what one step took: its rows, its save, and the rounds after it. */
  readonly middleStepMs: number;
}

/**
 * Trains without yielding while every call of that kind is held up.
 *
 * @param planted - a bug of the training loop
 */
export async function slowRun(
  folder: string,
  saves: number,
  injection: Injection,
  planted: "waits" | "" = "",
): Promise<SlowRun> {
  const { output, code, errors } = await runTraced([SLOW, folder, String(saves), planted], { injection });
  if (code !== 0) throw new Error(`The process ended with ${code}: ${errors}`);
  return JSON.parse(output.trim().split("\n").at(-1) ?? "") as SlowRun;
}
