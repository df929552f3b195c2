import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Times the least that durable bytes cost: one plain file, written and synced, neither its name nor its folder. */
export function writeDurablyMs(folder: string, bytes: number): number {
  const content = new Uint8Array(bytes).fill(7);
  const startedMs = performance.now();
  const file = openSync(join(folder, "plain"), "w");
  writeSync(file, content);
  fsyncSync(file);
  closeSync(file);
  return performance.now() - startedMs;
}
