import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Clock, systemClock } from "../base/clock.ts";
import { StoreError } from "../errors.ts";
import { assertRoomFor, withSpace } from "./disk-space.ts";
import { readRange, writeWhole } from "./file-content.ts";
import { fileErrorCode, orNull, translateFileError } from "./file-errors.ts";
import type { FileInfo, FileSystem, OpenFile } from "./file-system.ts";
import { nodeFileSystem } from "./node-file-system.ts";
import { type NameRules, RUN_NAMES } from "./object-name.ts";
import { clipRange, throwIfAborted } from "./request.ts";
import { type Located, RunFolders, refuseLink } from "./run-folders.ts";
import type {
  ByteRange,
  ListOptions,
  ObjectInfo,
  PutOptions,
  RequestOptions,
  Store,
  StoreLocation,
  StoreTraits,
} from "./store.ts";
import { createTemporaryNames, type TemporaryNames } from "./temporary-name.ts";

/** What `link()` answers on file systems without hard links. EPERM is that too: we just made a file in the folder. */
const NO_HARD_LINKS: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

export interface LocalStoreOptions {
  /** For tests: the file operations that everything is built from. */
  readonly fileSystem?: FileSystem | undefined;
  readonly temporaryNames?: TemporaryNames | undefined;
  readonly clock?: Clock | undefined;
  /** Which names the folder takes; those of a run by default. */
  readonly names?: NameRules | undefined;
}

/**
 * A run in a folder on local disk; an object is a file.
 *
 * A put, in this order, so that a loss of power at any point leaves the object whole or absent:
 *
 *     create .tmp-… in the object's own folder     link() cannot cross file systems
 *     write all, fsync, close                      content is durable before any name leads to it
 *     link() to the name   or   rename()           atomic; only link() refuses to replace
 *     unlink .tmp-…
 *     fsync the folder                             the name is durable: only now is the put acknowledged
 *
 * Folders are made the same way: a new one is entered only once its parent is synced.
 */
export class LocalStore implements Store {
  readonly path: string;
  readonly url: string;
  readonly traits: StoreTraits = { conditionalCreate: true, stronglyConsistent: true };
  readonly location?: StoreLocation | undefined;
  readonly #files: FileSystem;
  readonly #temporaryNames: TemporaryNames;
  readonly #folders: RunFolders;
  readonly #names: NameRules;
  /** Objects whose fsync failed. Linux reports that once and marks the pages clean: a second fsync proves nothing. */
  readonly #doubtful: Set<string> = new Set();
  /** Folders whose fsync failed: names in them can be seen that a loss of power would take. */
  readonly #unsettled: Set<string> = new Set();

  constructor(path: string, options: LocalStoreOptions = {}) {
    this.path = resolve(path);
    this.url = pathToFileURL(this.path).href;
    this.#files = options.fileSystem ?? nodeFileSystem;
    this.#temporaryNames = options.temporaryNames ?? createTemporaryNames();
    this.#names = options.names ?? RUN_NAMES;
    const clock = options.clock ?? systemClock;
    this.#folders = new RunFolders(this.path, this.#files, this.#temporaryNames, clock, this.#names.isPart);
    if (options.fileSystem === undefined) this.location = { url: this.url, options: {} };
  }

  /**
   * Makes the run's folder, makes durable what an earlier process left unsynced, and removes unfinished files of dead
   * writers. The first `put` or `delete` does it by itself.
   */
  async openForWriting(): Promise<void> {
    await this.#guard("open", this.path, "opening for writing", () => this.#folders.openForWriting());
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<boolean> {
    return this.putParts(name, [bytes], bytes.length, options);
  }

  /** Writes an object of parts one after another: as `put` does, and only one part is in memory. */
  async putParts(
    name: string,
    parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    sizeBytes: number,
    options: PutOptions = {},
  ): Promise<boolean> {
    this.#names.assertName(name);
    throwIfAborted(options.signal, "put", name);
    const what = `writing ${sizeBytes} bytes below ${this.path}`;
    const put = this.#guard("put", name, what, async () => {
      await this.#folders.openForWriting();
      const place = await this.#folders.locate("put", name);
      if (place.info !== null) assertReplaceable(name, place);
      if (place.info !== null && options.ifAbsent) {
        await this.#confirm(name, place);
        return false;
      }
      if (!place.folderExists || !this.#folders.isDurable(place.folder)) await this.#folders.ensure(place.folder);
      await assertRoomFor(this.#files, place.folder, name, sizeBytes, what);
      return this.#create(name, place, parts, options.ifAbsent ?? false, options.signal);
    });
    try {
      return await put;
    } catch (error) {
      throw await withSpace(error, this.#files, this.path, sizeBytes);
    }
  }

  async get(
    name: string,
    options: RequestOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<Uint8Array | null> {
    clipRange(options.range, 0);
    return this.read(name, (file) => readRange(file, name, options.range, options.signal), options);
  }

  /** Opens an object while `use` runs, which sees one content even if the object is replaced; null if there is none. */
  async read<Result>(
    name: string,
    use: (file: OpenFile) => Promise<Result>,
    options: RequestOptions = {},
  ): Promise<Result | null> {
    this.#names.assertName(name);
    throwIfAborted(options.signal, "get", name);
    return this.#guard("get", name, `reading below ${this.path}`, async () => {
      const place = await this.#folders.locate("get", name);
      if (place.info?.kind !== "file") return null;
      const file = await orNull(this.#files.open(place.path));
      if (file === null) return null;
      try {
        return await use(file);
      } finally {
        await file.close();
      }
    });
  }

  async head(name: string, options: RequestOptions = {}): Promise<ObjectInfo | null> {
    this.#names.assertName(name);
    throwIfAborted(options.signal, "head", name);
    return this.#guard("head", name, `looking below ${this.path}`, async () => {
      const { info } = await this.#folders.locate("head", name);
      return info?.kind === "file" ? describe(name, info) : null;
    });
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    this.#names.assertPrefix(prefix);
    try {
      throwIfAborted(options.signal, "list", prefix);
      const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
      const isStraight = folder !== "" && (await this.#folders.isStraight(join(this.path, folder)));
      if (!isStraight && !(await this.#folders.rootExists("list", prefix))) return;
      yield* this.#listFolder(isStraight ? folder : "", prefix, options);
    } catch (error) {
      throw translateFileError(error, "list", prefix, `listing below ${this.path}`);
    }
  }

  async delete(name: string, options: RequestOptions = {}): Promise<void> {
    this.#names.assertName(name);
    throwIfAborted(options.signal, "delete", name);
    await this.#guard("delete", name, `deleting below ${this.path}`, async () => {
      const { path, folder, folderExists, info } = await this.#folders.locate("delete", name);
      if (!folderExists || info?.kind === "folder") return;
      await this.#folders.openForWriting();
      // What is deleted may have been replaced by what is seen in the same folder, and must not go before that is safe.
      if (this.#unsettled.has(folder)) await this.#syncFolder(folder);
      if (info !== null) await orNull(this.#files.unlink(path));
      // Also when it was gone already: whoever removed it may not have synced that yet.
      await orNull(this.#syncFolder(folder));
    });
  }

  async #create(
    name: string,
    place: Located,
    parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    ifAbsent: boolean,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const temporary = join(place.folder, this.#temporaryNames.next());
    let created: boolean;
    try {
      await writeWhole(this.#files, temporary, name, parts, signal);
      throwIfAborted(signal, "put", name);
      created = ifAbsent ? await this.#link(temporary, name, place.path) : true;
      if (!ifAbsent) await this.#files.rename(temporary, place.path);
    } catch (error) {
      await this.#folders.discard(temporary);
      throw error;
    }
    if (ifAbsent) await this.#folders.discard(temporary);
    if (!created) {
      await this.#confirm(name, place);
      return false;
    }
    // If this fails the object may or may not survive. It stays: a reader may have seen it by now.
    await this.#syncFolder(place.folder);
    this.#doubtful.delete(name);
    return true;
  }

  /** Resolves to false if the name is taken. */
  async #link(temporary: string, name: string, path: string): Promise<boolean> {
    try {
      await this.#files.link(temporary, path);
      return true;
    } catch (error) {
      const code = fileErrorCode(error) ?? "";
      if (code === "EEXIST") return false;
      if (!NO_HARD_LINKS.has(code)) throw error;
      throw new StoreError("unsupported", "put", name, `${code}: ${this.path} is on a file system without hard links`, {
        cause: error,
        hint: "Creating an object only if it is absent needs them: use a folder on ext4, XFS, Btrfs, APFS, NTFS or NFS.",
      });
    }
  }

  /** Makes durable what somebody else created (rule 7): that it can be seen does not say that it would survive. */
  async #confirm(name: string, place: Located): Promise<void> {
    if (this.#doubtful.has(name)) {
      throw new StoreError("io", "put", name, "an earlier fsync of this object failed", { retryable: false });
    }
    const file = await orNull(this.#files.open(place.path));
    if (file === null) throw new StoreError("busy", "put", name, "it existed, and was deleted meanwhile");
    try {
      await file.sync();
    } catch (error) {
      this.#doubtful.add(name);
      throw error;
    } finally {
      await file.close();
    }
    await this.#syncFolder(place.folder);
  }

  async #syncFolder(folder: string): Promise<void> {
    // A sync that began before another one failed settles nothing.
    const settles = this.#unsettled.has(folder);
    try {
      await this.#files.syncFolder(folder);
    } catch (error) {
      this.#unsettled.add(folder);
      throw error;
    }
    if (settles) this.#unsettled.delete(folder);
  }

  async *#listFolder(folder: string, prefix: string, options: ListOptions): AsyncGenerator<ObjectInfo> {
    const entries = (await orNull(this.#files.readFolder(join(this.path, folder)))) ?? [];
    const candidates = entries
      .filter((entry) => this.#names.isPart(entry.name))
      // A folder sorts as its objects do: "a/b" comes after "a-b" and "a.b".
      .map(({ name, kind }) => ({
        name: folder + name,
        kind,
        key: kind === "file" ? folder + name : `${folder}${name}/`,
      }))
      .filter(({ name, kind, key }) => name.startsWith(prefix) || (kind !== "file" && isPrefixOfEither(key, prefix)))
      .sort((a, b) => this.#names.compare(a.key, b.key));
    for (const { name, kind } of candidates) {
      throwIfAborted(options.signal, "list", prefix);
      if (kind === "link") refuseLink("list", name, join(this.path, name));
      if (kind === "folder") yield* this.#listFolder(`${name}/`, prefix, options);
      const info = kind === "file" ? (options.known?.get(name) ?? (await this.#look(name))) : null;
      if (info !== null) yield info;
    }
  }

  /** Null where it was deleted since its folder was read. */
  async #look(name: string): Promise<ObjectInfo | null> {
    const info = await this.#folders.info(join(this.path, name));
    return info?.kind === "file" ? describe(name, info) : null;
  }

  async #guard<Result>(operation: string, name: string, what: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw translateFileError(error, operation, name, what);
    }
  }
}

function isPrefixOfEither(folderKey: string, prefix: string): boolean {
  return folderKey.startsWith(prefix) || prefix.startsWith(folderKey);
}

function assertReplaceable(name: string, place: Located): void {
  if (place.info?.kind === "file") return;
  throw new StoreError("unsupported", "put", name, `${place.path} is not a file`, {
    hint: "On local disk a name cannot be both an object and the folder of others.",
  });
}

function describe(name: string, info: FileInfo): ObjectInfo {
  return { name, sizeBytes: info.sizeBytes, modifiedAtMs: info.modifiedAtMs };
}

/** Opens a run in a folder, which need not exist yet: nothing is touched before the first request. */
export function createLocalStore(path: string, options: LocalStoreOptions = {}): LocalStore {
  return new LocalStore(path, options);
}
