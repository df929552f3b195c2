import { readSync } from "node:fs";
import { nextTurn } from "../base/timers.ts";
import type { FileSystem, OpenFile } from "./file-system.ts";
import { NodeFile, nodeFileSystem, openForReading } from "./node-file-system.ts";

/** So long other requests of the thread wait: a fraction of a millisecond where the file is in the page cache. */
const PIECE_BYTES = 1024 * 1024;

class FileReadHere extends NodeFile {
  override async read(target: Uint8Array, position: number): Promise<number> {
    await nextTurn();
    return readSync(this.handle.fd, target, 0, Math.min(target.length, PIECE_BYTES), position);
  }
}

/**
 * The machine's file system for a thread of low priority, which reads by itself. Node's pool, which reads otherwise, has
 * the priority of training: it took the trainer's core for 3 to 5 ms at a time, more than all else that an upload does.
 * A disk that hangs stops the thread: not for one that training may have to wait for.
 */
export const readsInThread: FileSystem = {
  ...nodeFileSystem,
  open: async (path): Promise<OpenFile> => new FileReadHere(await openForReading(path)),
};
