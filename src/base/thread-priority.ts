import { stat } from "node:fs";
import { setPriority } from "node:os";

/** Whether a thread can have a priority of its own here. */
export const THREADS_HAVE_PRIORITIES: boolean = process.platform === "linux";

/**
 * Lowers the priority of the calling thread, and of no other; on Linux only, where a priority is a thread's own:
 * elsewhere the whole process would be lowered, the trainer included. An ordinary user cannot raise it again.
 *
 * @param niceness - up to 19; 10 leaves a tenth of a busy core, 19 next to nothing
 */
export function lowerThreadPriority(niceness: number): void {
  if (!THREADS_HAVE_PRIORITIES) return;
  // Starts the pool that does the whole process's file calls and compression: it would inherit the lower priority for
  // ever if its first task came from this thread afterwards.
  stat("/", () => {});
  setPriority(0, niceness);
}
