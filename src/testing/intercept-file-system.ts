import { basename } from "node:path";
import type { FileSystem, OpenFile } from "../store/file-system.ts";

/** One call of a file operation, about to be made. */
export interface FileCall {
  readonly operation: keyof FileSystem | keyof OpenFile;
  /** Of the file or folder; of the first name for `link` and `rename`. */
  readonly path: string;
  /** The second name of `link` and `rename`. */
  readonly to?: string | undefined;
  /** What `write` was given. */
  readonly bytes?: Uint8Array | undefined;
}

/**
 * Decides what becomes of a call: makes it (`proceed`), fails it, or answers in its place.
 * What it resolves to is what the caller gets.
 */
// oxlint-disable-next-line no-explicit-any -- each operation has its own result
export type Interceptor = (call: FileCall, proceed: () => Promise<any>) => Promise<any>;

class InterceptedFile implements OpenFile {
  readonly #inner: OpenFile;
  readonly #path: string;
  readonly #intercept: Interceptor;

  constructor(inner: OpenFile, path: string, intercept: Interceptor) {
    this.#inner = inner;
    this.#path = path;
    this.#intercept = intercept;
  }

  write(bytes: Uint8Array, position: number): ReturnType<OpenFile["write"]> {
    const call: FileCall = { operation: "write", path: this.#path, bytes };
    return this.#intercept(call, () => this.#inner.write(bytes, position));
  }

  read(target: Uint8Array, position: number): ReturnType<OpenFile["read"]> {
    return this.#intercept({ operation: "read", path: this.#path }, () => this.#inner.read(target, position));
  }

  sync(): Promise<void> {
    return this.#intercept({ operation: "sync", path: this.#path }, () => this.#inner.sync());
  }

  info(): ReturnType<OpenFile["info"]> {
    return this.#intercept({ operation: "info", path: this.#path }, () => this.#inner.info());
  }

  close(): Promise<void> {
    return this.#intercept({ operation: "close", path: this.#path }, () => this.#inner.close());
  }
}

/** Wraps a file system so that a test sees every call, in order, and decides what becomes of it. */
export function interceptFileSystem(inner: FileSystem, intercept: Interceptor): FileSystem {
  const opened = async (operation: "create" | "open", path: string, open: () => Promise<OpenFile>): Promise<OpenFile> =>
    new InterceptedFile(await intercept({ operation, path }, open), path, intercept);
  return {
    create: (path, options) => opened("create", path, () => inner.create(path, options)),
    open: (path) => opened("open", path, () => inner.open(path)),
    link: (path, to) => intercept({ operation: "link", path, to }, () => inner.link(path, to)),
    rename: (path, to) => intercept({ operation: "rename", path, to }, () => inner.rename(path, to)),
    unlink: (path) => intercept({ operation: "unlink", path }, () => inner.unlink(path)),
    makeFolder: (path) => intercept({ operation: "makeFolder", path }, () => inner.makeFolder(path)),
    readFolder: (path) => intercept({ operation: "readFolder", path }, () => inner.readFolder(path)),
    info: (path) => intercept({ operation: "info", path }, () => inner.info(path)),
    realPath: (path) => intercept({ operation: "realPath", path }, () => inner.realPath(path)),
    syncFolder: (path) => intercept({ operation: "syncFolder", path }, () => inner.syncFolder(path)),
    freeSpace: (path) => intercept({ operation: "freeSpace", path }, () => inner.freeSpace(path)),
  };
}

/** Records every file call in order, as a readable line each: "link .tmp-… -> 1.pack". */
export function recordFileCalls(inner: FileSystem): { readonly fileSystem: FileSystem; readonly calls: FileCall[] } {
  const calls: FileCall[] = [];
  const fileSystem = interceptFileSystem(inner, (call, proceed) => {
    calls.push(call);
    return proceed();
  });
  return { fileSystem, calls };
}

/** One line for a call: its operation and the last parts of its paths; names of unfinished files are cut to ".tmp". */
export function describeFileCall({ operation, path, to }: FileCall): string {
  const short = (text: string): string => basename(text).replace(/^\.tmp-.*/, ".tmp");
  return to === undefined ? `${operation} ${short(path)}` : `${operation} ${short(path)} -> ${short(to)}`;
}

/** Makes an error as Node's file system makes them. */
export function fileError(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code, syscall: operation, path });
}

/**
 * Fails calls with an error code, counted from 0 over all calls that `matches` accepts (every one by default).
 *
 * @param times - how many in a row fail
 */
export function failFileCalls(
  inner: FileSystem,
  code: string,
  after: number,
  times = 1,
  matches: (call: FileCall) => boolean = () => true,
): FileSystem {
  let count = 0;
  return interceptFileSystem(inner, async (call, proceed) => {
    if (!matches(call)) return proceed();
    const index = count++;
    if (index >= after && index < after + times) throw fileError(code, call.operation, call.path);
    return proceed();
  });
}
