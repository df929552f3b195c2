import { FileChangedError, StoreError } from "../../../errors.ts";
import { fileErrorCode, isAbsent, orNull } from "../../../store/file-errors.ts";
import type { FileInfo, FileSystem, OpenFile } from "../../../store/file-system.ts";

/** A file's content as far as the file system tells it: what is written or replaced gets another identity. */
export interface FileIdentity {
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
  readonly inode: number;
}

/** A file that is being uploaded: notices when it is no longer the one that was opened. */
export class SourceFile {
  readonly path: string;
  readonly identity: FileIdentity;
  readonly file: OpenFile;
  readonly #files: FileSystem;

  constructor(files: FileSystem, path: string, file: OpenFile, identity: FileIdentity) {
    this.#files = files;
    this.path = path;
    this.file = file;
    this.identity = identity;
  }

  /** Fills `target` from the file. @throws FileChangedError if the file ends before that */
  async read(target: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const read = await this.file.read(target.subarray(done), offset + done);
      if (read <= 0)
        throw new FileChangedError(this.path, `it ends at ${offset + done} of ${this.identity.sizeBytes} bytes`);
      done += read;
    }
  }

  /** Asks the path, not the open file: a file that was replaced goes on unchanged under no name. */
  async assertUnchanged(): Promise<void> {
    const now = await orNull(this.#files.info(this.path));
    if (now === null) throw new FileChangedError(this.path, "it was removed");
    if (isSameFile(this.identity, now)) return;
    const { sizeBytes, inode } = this.identity;
    if (now.kind !== "file" || now.inode !== inode) throw new FileChangedError(this.path, "it was replaced");
    throw new FileChangedError(this.path, `it had ${sizeBytes} bytes, and was written to: now it has ${now.sizeBytes}`);
  }
}

export function isSameFile(identity: FileIdentity, { sizeBytes, modifiedAtMs, inode }: FileIdentity): boolean {
  return identity.sizeBytes === sizeBytes && identity.modifiedAtMs === modifiedAtMs && identity.inode === inode;
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
