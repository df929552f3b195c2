import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let folder: string | null = null;

/** One folder for all hostile files of this process; it is removed when the process ends. */
export function scratchFolder(): string {
  if (folder !== null) return folder;
  const made = mkdtempSync(join(tmpdir(), "varve-fuzz-"));
  folder = made;
  process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  return made;
}
