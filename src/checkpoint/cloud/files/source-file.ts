import { FileChangedError, StoreError } from "../../../errors.ts";
import { fileErrorCode, isAbsent, orNull } from "../../../store/file-errors.ts";
import type { FileInfo, FileSystem, OpenFile } from "../../../store/file-system.ts";

/**
 * Node's pool, which reads, has the priority of training: as little as this is read before it sleeps again, and not before
 * the scheduler has given it a whole slice of the trainer's core.
 */
const READ_BYTES = 1024 * 1024;

/** A file's content as far as the file system tells it: what is written or replaced gets another identity. */
export interface FileIdentity {
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
  readonly inode: number;
}

/**
 * A file that is being uploaded, as long as it was at one moment: what is appended later is not its concern. Notices
 * when the path leads elsewhere, and when the file is cut off. Whether one that was written to still has its first bytes
 * only a second reading can tell: size and time are the same for a line more and for another file written over it.
 */
export class SourceFile {
  readonly path: string;
  readonly identity: FileIdentity;
  readonly file: OpenFile;
  readonly #files: FileSystem;
  /** When it was last written to without growing, as far as was seen. */
  #rewrittenAtMs: number | null = null;

  constructor(files: FileSystem, path: string, file: OpenFile, identity: FileIdentity) {
    this.#files = files;
    this.path = path;
    this.file = file;
    this.identity = identity;
  }

  /** Fills `target` from the file. @throws FileChangedError if the file ends before that */
  async read(target: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const read = await this.file.read(target.subarray(done, done + READ_BYTES), offset + done);
      if (read <= 0)
        throw new FileChangedError(this.path, `it ends at ${offset + done} of ${this.identity.sizeBytes} bytes`);
      done += read;
    }
  }

  /** The same file, of which an earlier upload has begun to send fewer bytes. */
  upTo(sizeBytes: number): SourceFile {
    return new SourceFile(this.#files, this.path, this.file, { ...this.identity, sizeBytes });
  }

  /**
   * Asks the path, not the open file: a file that was replaced goes on unchanged under no name.
   *
   * @returns whether nobody has written to it
   * @throws FileChangedError unless it is still there, and at least as long
   */
  async assertInPlace(): Promise<boolean> {
    const now = await orNull(this.#files.info(this.path));
    if (now === null) throw new FileChangedError(this.path, "it was removed");
    const { sizeBytes, inode, modifiedAtMs } = this.identity;
    if (now.kind !== "file" || now.inode !== inode) throw new FileChangedError(this.path, "it was replaced");
    if (now.sizeBytes < sizeBytes) {
      throw new FileChangedError(this.path, `it had ${sizeBytes} bytes, and was cut off: now it has ${now.sizeBytes}`);
    }
    if (now.sizeBytes > sizeBytes) return false;
    if (now.modifiedAtMs === modifiedAtMs) return true;
    // The time of a file that is appended to changes a moment before its size does: only a second look is sure.
    if (now.modifiedAtMs === this.#rewrittenAtMs) {
      throw new FileChangedError(this.path, `it was written to, and has its ${sizeBytes} bytes as before`);
    }
    this.#rewrittenAtMs = now.modifiedAtMs;
    return false;
  }
}

export function isSameFile(identity: FileIdentity, { sizeBytes, modifiedAtMs, inode }: FileIdentity): boolean {
  return identity.sizeBytes === sizeBytes && identity.modifiedAtMs === modifiedAtMs && identity.inode === inode;
}

/** Tells whether a file can be the one of then with more at its end. Its content decides. */
export function isMaybeLonger(identity: FileIdentity, { kind, sizeBytes, inode }: FileInfo): boolean {
  return kind === "file" && identity.inode === inode && identity.sizeBytes <= sizeBytes;
}

/** Opens a file while `use` runs. @throws StoreError `not-found`, or `unsupported` for a link or what is no file */
export async function withSourceFile<Result>(
  files: FileSystem,
  path: string,
  use: (source: SourceFile) => Promise<Result>,
): Promise<Result> {
  const file = await openSource(files, path);
  try {
    const info = await file.info();
    assertPlain(path, info);
    const { sizeBytes, modifiedAtMs, inode } = info;
    return await use(new SourceFile(files, path, file, { sizeBytes, modifiedAtMs, inode }));
  } finally {
    await file.close();
  }
}

async function openSource(files: FileSystem, path: string): Promise<OpenFile> {
  try {
    return await files.open(path);
  } catch (error) {
    if (isAbsent(error)) throw new StoreError("not-found", "upload", path, "there is no such file", { cause: error });
    if (fileErrorCode(error) !== "ELOOP") throw error;
    throw new StoreError("unsupported", "upload", path, "it is a symbolic link", {
      cause: error,
      hint: "Give the real path.",
    });
  }
}

function assertPlain(path: string, { kind }: FileInfo): void {
  if (kind === "file") return;
  const hint = kind === "folder" ? "uploadDirectory() uploads the files of a folder." : undefined;
  throw new StoreError("unsupported", "upload", path, "it is not a file", { hint });
}
