import type { Clock } from "../../../base/clock.ts";
import type { StoreError } from "../../../errors.ts";
import type { FileSystem } from "../../../store/file-system.ts";
import type { ObjectClient } from "../../../store/object-client.ts";
import type { TemporaryNames } from "../../../store/temporary-name.ts";
import type { SpareMemory } from "./spare-memory.ts";
import type { UploadRecord } from "./upload-journal.ts";

/**
 * What the transfers of one CloudSync share. One is made per bucket and process, and handed to every call:
 * `createFileTransfers` fills in what is the machine's own.
 */
export interface FileTransfers {
  readonly client: ObjectClient;
  readonly files: FileSystem;
  readonly temporaryNames: TemporaryNames;
  readonly clock: Clock;
  /** For files that are sent in one request. */
  readonly memory: SpareMemory;
  /** Waits until so many bytes may be sent: called before each request that carries any. */
  readonly pace: (bytes: number, signal: AbortSignal | undefined) => Promise<void>;
  /** Told what a person should know and no result says. */
  readonly warn: (message: string) => void;
  /** Uploads in pieces that this process began or goes on with, by the path of their journal, written or not. */
  readonly begun: Map<string, UploadRecord>;
  /** Checksums of files that were sent in one request whose answer has not come, by the same path. */
  readonly sent: Map<string, string>;
}

/** One try. The caller's queue has the retries. */
export interface FileTransferAttempt {
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes of the file are done, and again the same number while nothing but the disk moves. */
  readonly report?: ((bytesDone: number) => void) | undefined;
  /**
   * Told of bytes as they go out, those of tries that fail included, and of a download by whole ranges. Not of what is
   * there already, but for a piece that is there in part.
   */
  readonly onMoved?: ((bytes: number) => void) | undefined;
}

export interface UploadRequest extends FileTransferAttempt {
  readonly localPath: string;
  /** Another name of the same file, to read it by: one that stays when `localPath` is given to a newer file. */
  readonly readFrom?: string | undefined;
  /** The whole name in the bucket. */
  readonly key: string;
  /**
   * How long the file was when its upload was asked for. If an earlier one broke off when the file was shorter, that one
   * is completed, and then the file is sent as it is now: what the caller is told of is no less than was there.
   */
  readonly leastBytes?: number | undefined;
}

export interface UploadedFile {
  /** Of a file that grows: as many as it had when its upload was begun. */
  readonly bytes: number;
  /** The store has exactly this content under this key already; nothing was sent. */
  readonly isUnchanged: boolean;
  /** Of the content that is in the store, in hexadecimal. */
  readonly sha256: string;
}

export interface DownloadRequest extends FileTransferAttempt {
  readonly key: string;
  readonly localPath: string;
  /** The folder that must not be left: links below it are refused, missing folders made. That of `localPath` by default. */
  readonly within?: string | undefined;
  /** Told at the beginning of a try how long the object is. */
  readonly onSize?: ((sizeBytes: number) => void) | undefined;
}

export interface DownloadedFile {
  readonly bytes: number;
}

export interface ListFolderOptions {
  /** Matched against the name and against the path below the folder; of a folder it leaves out all that is in it. */
  readonly exclude?: readonly string[] | undefined;
  /** Paths below the folder of files that are being written: listed though they, or the folder, are not there yet. */
  readonly expected?: readonly string[] | undefined;
  /** A path below the folder that is left out, with all that is in it. */
  readonly without?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of every folder in which a file of Varve's own lies that is not listed, as it is unfinished. */
  readonly onUnfinished?: ((folder: string) => void) | undefined;
}

/** What an upload of a folder takes, and what it would take and cannot. */
export interface FolderListing {
  readonly files: readonly ListedFile[];
  /** Files and whole folders below that could not be looked at. */
  readonly failures: readonly { readonly path: string; readonly error: StoreError }[];
  /** Paths of files that are left out because their names say that somebody is still writing them; not Varve's own. */
  readonly unfinished: readonly string[];
}

export interface ListedFile {
  /** Below the folder, separated by `/`. */
  readonly path: string;
  /** 0 of one that is expected and not there yet. */
  readonly sizeBytes: number;
}
