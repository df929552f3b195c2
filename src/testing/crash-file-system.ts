import { type Clock, systemClock } from "../base/clock.ts";
import type { DiskSpace, FileInfo, FileSystem, FolderEntry, OpenFile } from "../store/file-system.ts";
import { type Change, type DiskImage, emptyImage, ImageEditor, type NodeKind } from "./disk-image.ts";
import { fileError } from "./intercept-file-system.ts";

/** What happened on a disk, in order: changes, syncs, and what the test noted between them. */
export type DiskEvent =
  | Change
  | { readonly type: "sync"; readonly node: number }
  | { readonly type: "syncFolder"; readonly folder: number }
  | { readonly type: "note"; readonly text: string };

class LiveFile implements OpenFile {
  readonly #node: number;
  readonly #disk: CrashFileSystem;

  constructor(disk: CrashFileSystem, node: number) {
    this.#disk = disk;
    this.#node = node;
  }

  async write(bytes: Uint8Array, position: number): Promise<number> {
    this.#disk.record({ type: "write", node: this.#node, position, bytes: new Uint8Array(bytes) });
    return bytes.length;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const part = this.#disk.content(this.#node).subarray(position, position + target.length);
    target.set(part);
    return part.length;
  }

  async sync(): Promise<void> {
    this.#disk.record({ type: "sync", node: this.#node });
  }

  async info(): Promise<FileInfo> {
    return this.#disk.describe(this.#node);
  }

  async close(): Promise<void> {}
}

/**
 * A file system in memory that keeps what happened on it, so that `crashStates` can tell what a loss of power at any
 * point could have left. Paths are absolute and `/`-separated; the root exists.
 */
export class CrashFileSystem implements FileSystem {
  /** What was on the disk, durably, before the first event. */
  readonly initial: DiskImage;
  readonly events: DiskEvent[] = [];
  readonly #clock: Clock;
  readonly #modifiedAtMs: Map<number, number> = new Map();
  #live: DiskImage;
  #nextNode: number;

  constructor(initial: DiskImage = emptyImage(), clock: Clock = systemClock) {
    this.initial = initial;
    this.#live = initial;
    this.#clock = clock;
    this.#nextNode = Math.max(...initial.folders.keys(), ...initial.files.keys()) + 1;
  }

  /** What is on the disk now, as long as the power stays. */
  get live(): DiskImage {
    return this.#live;
  }

  /** Marks a point for the checks after a crash, such as "checkpoint 3 was acknowledged". */
  note(text: string): void {
    this.events.push({ type: "note", text });
  }

  /** All files, as absolute paths, in order. */
  paths(): string[] {
    const found: string[] = [];
    const walk = (folder: number, path: string): void => {
      for (const [name, node] of this.#live.folders.get(folder) ?? []) {
        if (this.#live.folders.has(node)) walk(node, `${path}/${name}`);
        else found.push(`${path}/${name}`);
      }
    };
    walk(0, "");
    return found.sort();
  }

  async create(path: string): Promise<OpenFile> {
    return new LiveFile(this, this.#add("open", path, this.#nextNode++, "file"));
  }

  async open(path: string): Promise<OpenFile> {
    const node = this.#find("open", path);
    if (!this.#live.files.has(node)) throw fileError("EISDIR", "open", path);
    return new LiveFile(this, node);
  }

  async link(from: string, to: string): Promise<void> {
    const node = this.#find("link", from);
    if (!this.#live.files.has(node)) throw fileError("EPERM", "link", from);
    this.#add("link", to, node, null);
  }

  async rename(from: string, to: string): Promise<void> {
    const node = this.#find("rename", from);
    const source = this.#parentOf("rename", from);
    const target = this.#parentOf("rename", to);
    if (source.folder !== target.folder) throw fileError("EXDEV", "rename", to);
    const replaced = this.#live.folders.get(target.folder)?.get(target.name);
    if (replaced !== undefined && this.#live.folders.has(replaced)) throw fileError("EISDIR", "rename", to);
    this.record({ type: "rename", folder: source.folder, from: source.name, name: target.name, node });
  }

  async unlink(path: string): Promise<void> {
    const node = this.#find("unlink", path);
    if (this.#live.folders.has(node)) throw fileError("EISDIR", "unlink", path);
    this.record({ type: "remove", ...this.#parentOf("unlink", path) });
  }

  async makeFolder(path: string): Promise<void> {
    this.#add("mkdir", path, this.#nextNode++, "folder");
  }

  async readFolder(path: string): Promise<readonly FolderEntry[]> {
    const entries = this.#live.folders.get(this.#find("scandir", path));
    if (entries === undefined) throw fileError("ENOTDIR", "scandir", path);
    return [...entries].map(([name, node]) => ({ name, kind: this.describe(node).kind }));
  }

  async info(path: string): Promise<FileInfo> {
    return this.describe(this.#find("lstat", path));
  }

  /** There are no links here. */
  async realPath(path: string): Promise<string> {
    this.#find("realpath", path);
    return path;
  }

  async syncFolder(path: string): Promise<void> {
    const folder = this.#find("fsync", path);
    if (!this.#live.folders.has(folder)) throw fileError("ENOTDIR", "open", path);
    this.record({ type: "syncFolder", folder });
  }

  /** There is always room. */
  async freeSpace(path: string): Promise<DiskSpace | null> {
    this.#find("statfs", path);
    return null;
  }

  /** For the open files of this file system. */
  record(event: Exclude<DiskEvent, { type: "note" }>): void {
    this.events.push(event);
    if (event.type === "sync" || event.type === "syncFolder") return;
    const editor = new ImageEditor(this.#live);
    editor.apply(event, "kept");
    this.#live = editor.image();
    this.#modifiedAtMs.set(event.type === "write" ? event.node : event.folder, this.#clock.now());
  }

  /** For the open files of this file system. */
  content(node: number): Uint8Array {
    return this.#live.files.get(node) ?? new Uint8Array(0);
  }

  /** For the open files of this file system. */
  describe(node: number): FileInfo {
    const kind = this.#live.folders.has(node) ? "folder" : "file";
    const sizeBytes = this.content(node).length;
    return { kind, sizeBytes, modifiedAtMs: this.#modifiedAtMs.get(node) ?? 0, inode: node };
  }

  #add(operation: string, path: string, node: number, made: NodeKind): number {
    const { folder, name } = this.#parentOf(operation, path);
    if (this.#live.folders.get(folder)?.has(name)) throw fileError("EEXIST", operation, path);
    this.record({ type: "add", folder, name, node, made });
    if (made === "file") this.#modifiedAtMs.set(node, this.#clock.now());
    return node;
  }

  #parentOf(operation: string, path: string): { readonly folder: number; readonly name: string } {
    const parts = path.split("/").slice(1);
    const name = parts.pop() ?? "";
    return { folder: this.#walk(operation, path, parts), name };
  }

  #find(operation: string, path: string): number {
    return this.#walk(
      operation,
      path,
      path.split("/").filter((part) => part !== ""),
    );
  }

  #walk(operation: string, path: string, parts: readonly string[]): number {
    let node = 0;
    for (const part of parts) {
      const entries = this.#live.folders.get(node);
      if (entries === undefined) throw fileError("ENOTDIR", operation, path);
      const next = entries.get(part);
      if (next === undefined) throw fileError("ENOENT", operation, path);
      node = next;
    }
    return node;
  }
}
