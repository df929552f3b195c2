import { constants, type FileHandle, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { StoreError, type StoreErrorKind } from "../errors.ts";
import { parseRecord } from "./record-guard.ts";
import type { RunRecord } from "./run-record.ts";

const CHUNK_BYTES = 256 * 1024;

/** Settings and errors are a few kilobytes; beyond, a line is none of ours, and is not kept while its end is sought. */
const MAX_LINE_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;
/** What every record begins with. */
const OPENING_BRACE = 0x7b;

/** Some records of the file, and where the reading may go on. */
export interface RecordBatch {
  readonly records: readonly RunRecord[];
  /** Behind the last line that is whole, in bytes from the beginning of the file. */
  readonly end: number;
  /** Whole lines in this part that were passed over. */
  readonly passedOver: number;
}

export interface ReadRecordsOptions {
  /** Where to begin: 0, or the `end` of an earlier batch. */
  readonly from?: number | undefined;
  /** Where to stop, in bytes from the beginning. */
  readonly to?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where the log of a run lies in its folder. */
export function recordFileOf(folder: string): string {
  return join(folder, "logs", "metrics.jsonl");
}

/** Where the file begins anew shows in these; null where there is none. @throws StoreError as `readRecords` */
export async function recordFileStat(path: string): Promise<{ readonly ino: number; readonly size: number } | null> {
  try {
    return await stat(path);
  } catch (error) {
    if (isAbsent(error)) return null;
    throw unreadable(path, error);
  }
}

/**
 * Reads the records of a run's log in their order, a part at a time. A line that is being written is left for later; one
 * that cannot be understood is passed over and counted. No file is the same as an empty one.
 *
 * @throws StoreError where something is there that cannot be read, is a link, or no log at all; the signal's reason
 * Cost: bounded memory, however long the file and its lines are.
 */
export async function* readRecords(path: string, options: ReadRecordsOptions = {}): AsyncGenerator<RecordBatch> {
  const { from = 0, to = Number.POSITIVE_INFINITY, signal } = options;
  const file = await openFile(path);
  if (file === null) return;
  try {
    const lines = new LineCutter();
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let at = from; at < to; ) {
      signal?.throwIfAborted();
      const bytesRead = await readInto(chunk, file, path, at, to);
      if (bytesRead === 0) return;
      const isFirst = at === 0;
      at += bytesRead;
      const cut = lines.cut(chunk.subarray(0, bytesRead));
      const records = cut.lines.flatMap((line) => parseRecord(line) ?? []);
      if (isFirst && records.length === 0 && chunk[0] !== OPENING_BRACE) throw noLog(path);
      const passedOver = cut.lines.length - records.length + cut.tooLong;
      if (cut.lines.length + cut.tooLong > 0) yield { records, end: at - lines.openBytes, passedOver };
    }
  } finally {
    await file.close();
  }
}

/** Null where there is none. A link might lead out of the run, and a pipe would be waited for. */
async function openFile(path: string): Promise<FileHandle | null> {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants as Partial<typeof constants>;
  let file: FileHandle;
  try {
    file = await open(path, (O_RDONLY ?? 0) | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (isAbsent(error)) return null;
    throw unreadable(path, error);
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new StoreError("unsupported", "read", path, "it is not a file", { hint: MOVE_ASIDE });
}

async function readInto(chunk: Uint8Array, file: FileHandle, path: string, at: number, to: number): Promise<number> {
  try {
    return (await file.read(chunk, 0, Math.min(CHUNK_BYTES, to - at), at)).bytesRead;
  } catch (error) {
    throw unreadable(path, error);
  }
}

const MOVE_ASIDE =
  "A run's log is a file that varve train writes. Move aside what is there; the run itself needs no log.";

function isAbsent(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
}

function noLog(path: string): StoreError {
  return new StoreError("unsupported", "read", path, "it is not the log of a run: it holds something else", {
    hint: MOVE_ASIDE,
  });
}

function unreadable(path: string, cause: unknown): StoreError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const [kind, hint] = UNREADABLE[code ?? ""] ?? (["io", undefined] as const);
  return new StoreError(kind, "read", path, message, { cause, hint });
}

const RIGHTS = "Give this process the right to read that file and to enter its folders.";

const UNREADABLE: Readonly<Record<string, readonly [kind: StoreErrorKind, hint: string]>> = {
  EACCES: ["permission", RIGHTS],
  EPERM: ["permission", RIGHTS],
  EISDIR: ["unsupported", MOVE_ASIDE],
  // What O_NOFOLLOW says of a link.
  ELOOP: ["unsupported", "It is a link, which might lead anywhere: name the folder in which the log itself lies."],
};

/** Cuts a stream of bytes into lines; of one that is too long nothing is kept. */
class LineCutter {
  #begun: Uint8Array[] = [];
  #begunBytes = 0;

  /** Bytes of the line that has no end yet. */
  get openBytes(): number {
    return this.#begunBytes;
  }

  /** @param chunk - may be used again afterwards */
  cut(chunk: Uint8Array): { readonly lines: readonly Uint8Array[]; readonly tooLong: number } {
    const lines: Uint8Array[] = [];
    let tooLong = 0;
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end));
      if (this.#begunBytes > MAX_LINE_BYTES) tooLong++;
      else if (this.#begunBytes > 0) lines.push(Buffer.concat(this.#begun));
      this.#begun = [];
      this.#begunBytes = 0;
      start = end + 1;
    }
    this.#keep(chunk.slice(start));
    return { lines, tooLong };
  }

  #keep(part: Uint8Array): void {
    this.#begunBytes += part.byteLength;
    if (this.#begunBytes > MAX_LINE_BYTES) this.#begun = [];
    else if (part.byteLength > 0) this.#begun.push(part);
  }
}
