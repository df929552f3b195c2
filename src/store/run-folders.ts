import { dirname, join, relative } from "node:path";
import type { Clock } from "../base/clock.ts";
import { StoreError } from "../errors.ts";
import { fileErrorCode, ignoreFileError, orNull } from "./file-errors.ts";
import type { FileInfo, FileSystem } from "./file-system.ts";
import { RUN_NAMES, TEMPORARY_PREFIX } from "./object-name.ts";
import type { TemporaryNames } from "./temporary-name.ts";

/** What lies where an object's name leads. */
export interface Located {
  readonly path: string;
  /** The folder that the object is in, or would be. */
  readonly folder: string;
  readonly folderExists: boolean;
  /** Null if nothing has that name. */
  readonly info: FileInfo | null;
}

const NO_RIGHT: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS"]);

/**
 * The folders of one run: finds the way through them without following a link, and makes them durably.
 *
 * A folder counts only when its entry in its parent is durable. `#durable` holds those that this opening has made
 * sure of: another writer may have made a folder a moment ago and not synced it yet.
 */
export class RunFolders {
  readonly root: string;
  readonly #files: FileSystem;
  readonly #temporaryNames: TemporaryNames;
  readonly #clock: Clock;
  readonly #isPart: (name: string) => boolean;
  readonly #durable: Set<string> = new Set();
  #opening: Promise<void> | null = null;
  /** Where the folder above the root really lies, as of the last look. */
  #realParent: string | null = null;

  /** @param isPart - tells which folders below the root are the run's own */
  constructor(
    root: string,
    files: FileSystem,
    temporaryNames: TemporaryNames,
    clock: Clock,
    isPart: (name: string) => boolean = RUN_NAMES.isPart,
  ) {
    this.root = root;
    this.#files = files;
    this.#temporaryNames = temporaryNames;
    this.#clock = clock;
    this.#isPart = isPart;
  }

  /** Describes a path, or answers null if nothing is there. */
  info(path: string): Promise<FileInfo | null> {
    return orNull(this.#files.info(path));
  }

  /**
   * Tells a run that does not exist yet, and is empty, from one that cannot be read.
   *
   * @throws StoreError of kind `unsupported` if the run's folder is a link or no folder at all
   */
  async rootExists(operation: string, name: string): Promise<boolean> {
    const info = await this.info(this.root);
    if (info !== null) assertFolder(info, operation, name, this.root);
    return info !== null;
  }

  /**
   * Follows an object's name from the run's folder, looking at every step: `O_NOFOLLOW` covers the last one only.
   * Somebody who swaps a folder for a link between the look and the use is not kept out; that needs the same rights
   * as changing the run itself.
   *
   * @throws StoreError of kind `unsupported` at a symbolic link
   */
  async locate(operation: string, name: string): Promise<Located> {
    const parts = name.split("/");
    const path = join(this.root, ...parts);
    const folder = dirname(path);
    const straight = await this.#locateStraight(path, folder);
    if (straight?.info?.kind === "link") refuseLink(operation, name, path);
    if (straight !== null) return straight;
    const absent: Located = { path, folder, folderExists: false, info: null };
    if (!(await this.rootExists(operation, name))) return absent;
    let current = this.root;
    for (const part of parts.slice(0, -1)) {
      current = join(current, part);
      const info = await this.info(current);
      if (info?.kind === "link") refuseLink(operation, name, current);
      if (info?.kind !== "folder") return absent;
    }
    const info = await this.info(path);
    if (info?.kind === "link") refuseLink(operation, name, path);
    return { path, folder, folderExists: true, info };
  }

  /** In two file operations; null where it takes a look at every step, as what is there may be no folder. */
  async #locateStraight(path: string, folder: string): Promise<Located | null> {
    if (!(await this.isStraight(folder))) return null;
    try {
      return { path, folder, folderExists: true, info: await this.#files.info(path) };
    } catch (error) {
      const code = fileErrorCode(error);
      if (code === "ENOENT") return { path, folder, folderExists: true, info: null };
      if (code === "ENOTDIR") return null;
      throw error;
    }
  }

  /**
   * True where something is at the path of a folder of the run, and no link on the way from above the root leads there:
   * one file operation in place of one for each step. Where it is false, also for a path that cannot be resolved,
   * looking at every step tells why. The place that the root was found at before stays right, whatever leads to it now.
   */
  async isStraight(folder: string): Promise<boolean> {
    const real = await this.#resolve(folder);
    if (real === null) return false;
    const parent = dirname(this.root);
    const below = relative(parent, folder);
    if (this.#realParent !== null && real === join(this.#realParent, below)) return true;
    this.#realParent = await this.#resolve(parent);
    return this.#realParent !== null && real === join(this.#realParent, below);
  }

  /** Some drives resolve nothing, and a process may be barred from what is above the run. */
  #resolve(path: string): Promise<string | null> {
    return this.#files.realPath(path).catch(() => null);
  }

  /** True if this opening has made sure that the folder's entry is durable. */
  isDurable(folder: string): boolean {
    return this.#durable.has(folder);
  }

  /** Makes a folder of the run and those above it, each one durable before anything is put into it. */
  async ensure(folder: string): Promise<void> {
    if (folder === this.root) return this.#ensureRoot();
    await this.ensure(dirname(folder));
    const made = await this.#make(folder);
    if (made || !this.#durable.has(folder)) await this.#files.syncFolder(dirname(folder));
    this.#durable.add(folder);
  }

  /**
   * Makes the run's folder and puts it right for a new writer (rule 7): every entry that an earlier process left
   * unsynced becomes durable before anything is built on it, and unfinished files of dead writers go.
   * Runs once; a failure is forgotten, so that the next call tries again.
   */
  openForWriting(): Promise<void> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = null;
      throw error;
    });
    return this.#opening;
  }

  async #open(): Promise<void> {
    await this.#ensureRoot();
    await this.#settle(this.root);
  }

  async #settle(folder: string): Promise<void> {
    const subfolders: string[] = [];
    for (const entry of await this.#files.readFolder(folder)) {
      const path = join(folder, entry.name);
      if (entry.kind === "folder" && this.#isPart(entry.name)) subfolders.push(path);
      if (entry.kind === "file" && entry.name.startsWith(TEMPORARY_PREFIX))
        await this.#removeIfAbandoned(path, entry.name);
    }
    await this.#files.syncFolder(folder);
    for (const subfolder of subfolders) {
      this.#durable.add(subfolder);
      await this.#settle(subfolder);
    }
  }

  async #removeIfAbandoned(path: string, fileName: string): Promise<void> {
    const info = await this.info(path);
    if (info === null) return;
    if (!this.#temporaryNames.isAbandoned(fileName, this.#clock.now() - info.modifiedAtMs)) return;
    await this.discard(path);
  }

  /** Removes an unfinished file if that is possible; one that stays is ignored by all and removed by a later opening. */
  discard(path: string): Promise<void> {
    return ignoreFileError(this.#files.unlink(path));
  }

  async #ensureRoot(): Promise<void> {
    const rootExists = await this.rootExists("open", this.root);
    if (rootExists && this.#durable.has(this.root)) return;
    const existing: string[] = [];
    const missing: string[] = [];
    for (const folder of foldersAbove(this.root)) {
      ((await this.info(folder)) === null ? missing : existing).push(folder);
    }
    if (!rootExists) missing.push(this.root);
    for (const folder of existing) await this.#syncIfAllowed(folder);
    for (const folder of missing) {
      await this.#make(folder);
      await this.#files.syncFolder(dirname(folder));
    }
    this.#durable.add(this.root);
  }

  /** Folders above the run may belong to others: what we may not open, we have made no entry in either. */
  async #syncIfAllowed(folder: string): Promise<void> {
    try {
      await this.#files.syncFolder(folder);
    } catch (error) {
      if (!NO_RIGHT.has(fileErrorCode(error) ?? "")) throw error;
    }
  }

  /** Resolves to false if the folder was there already. */
  async #make(folder: string): Promise<boolean> {
    try {
      await this.#files.makeFolder(folder);
      return true;
    } catch (error) {
      if (fileErrorCode(error) !== "EEXIST") throw error;
    }
    // Above the run links are allowed, and what is neither shows at the next step.
    if (folder.startsWith(this.root)) assertFolder(await this.#files.info(folder), "open", folder, folder);
    return false;
  }
}

/** From the file system's root down to the parent. */
function foldersAbove(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [...foldersAbove(parent), parent];
}

function assertFolder(info: FileInfo, operation: string, name: string, path: string): void {
  if (info.kind === "folder") return;
  if (info.kind === "link") refuseLink(operation, name, path);
  throw new StoreError("unsupported", operation, name, `${path} is not a folder`, {
    hint: "On local disk a name cannot be both an object and the folder of others.",
  });
}

export function refuseLink(operation: string, name: string, path: string): never {
  throw new StoreError("unsupported", operation, name, `${path} is a symbolic link`, {
    hint: "Links inside a run could lead anywhere and are refused: give the real path, or put the files themselves there.",
  });
}
