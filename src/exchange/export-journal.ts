import { readFile, rename, rm, writeFile } from "node:fs/promises";
import type { ExportPosition } from "./export-batches.ts";
import type { ExportPlan } from "./export-plan.ts";
import { syncFolderOf } from "./random-access-file.ts";

/** How far an export is that is not whole yet: a small file beside it. */
interface JournalFile {
  readonly version: 2;
  readonly identity: string;
  readonly position: ExportPosition;
  /** Of the target. */
  readonly resume: unknown;
}

/** What an earlier process left. `other`: of another export, or unreadable; it is begun anew. */
export type FoundJournal =
  | { readonly kind: "none" | "other" }
  | { readonly kind: "own"; readonly position: ExportPosition; readonly resume: unknown };

export class ExportJournal {
  readonly #path: string;
  readonly #identity: string;

  constructor(path: string, { identity }: ExportPlan) {
    this.#path = path;
    this.#identity = identity;
  }

  async read(): Promise<FoundJournal> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return { kind: "none" };
    }
    const file = parse(text);
    if (file === null || file.identity !== this.#identity) return { kind: "other" };
    return { kind: "own", position: file.position, resume: file.resume };
  }

  /** After what it says was made durable. */
  async write(position: ExportPosition, resume: unknown): Promise<void> {
    const file: JournalFile = { version: 2, identity: this.#identity, position, resume };
    await writeFile(`${this.#path}.new`, JSON.stringify(file), { flush: true });
    await rename(`${this.#path}.new`, this.#path);
    await syncFolderOf(this.#path);
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

function parse(text: string): JournalFile | null {
  try {
    const file = JSON.parse(text) as JournalFile | null;
    return file?.version === 2 && Number.isSafeInteger(file.position?.section) ? file : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
