import { dirname, join } from "node:path";
import { systemClock } from "../../base/clock.ts";
import { StoreError } from "../../errors.ts";
import { isAbsent, orNull, translateFileError } from "../../store/file-errors.ts";
import type { FileKind, FileSystem } from "../../store/file-system.ts";
import { RunFolders } from "../../store/run-folders.ts";
import { createTemporaryNames } from "../../store/temporary-name.ts";
import type { FileSaver, HeldBuffer } from "../saver/file-saver.ts";
import type { SharedStatus } from "../shared-status.ts";
import type { CloudEvent } from "./events.ts";
import type { FileMover } from "./file-mover.ts";
import type { KeyLanes, Place } from "./key-lanes.ts";
import type { TransferOrder, TransferResult } from "./messages.ts";
import type { TransferTask } from "./transfer-task.ts";

export interface TransferContext {
  readonly disk: FileSystem;
  readonly files: FileSaver;
  readonly mover: FileMover;
  readonly lanes: KeyLanes;
  readonly status: SharedStatus;
  readonly onSaved: (task: TransferTask, event: Extract<CloudEvent, { kind: "saved" }>) => void;
  /** An upload that had begun waits, for a while or for the end of a pause. */
  readonly onRest: () => void;
}

type Order<Kind extends TransferOrder["kind"]> = Extract<TransferOrder, { kind: Kind }>;

/**
 * Names in the lanes. Places are taken in the order of the calls, all of them while one has `PLAN`: a directory must be
 * listed first, and nobody may overtake it meanwhile.
 */
export const PLAN = "plan";
export const cloudLane = (key: string): string => `cloud ${key}`;
export const fileLane = (path: string): string => `file ${path}`;
/** One save at a time: the encoder has one thread. */
const SAVING = "saving";

const temporaryNames = createTemporaryNames();

/** Saves a buffer to its file, then uploads that. The snapshot is held from the call on. */
export async function saveAndUpload(
  task: TransferTask,
  order: Order<"buffer">,
  held: HeldBuffer,
  context: TransferContext,
): Promise<TransferResult> {
  const { lanes } = context;
  const { localPath, cloudPath } = order;
  const [file, object] = await lanes.run(PLAN, () => [
    lanes.enter(fileLane(localPath)),
    lanes.enter(cloudLane(cloudPath)),
  ]);
  let copy: string | null = null;
  try {
    await file.turn;
    await lanes.run(SAVING, () => save(task, order, held, context));
    copy = await secondName(context.disk, localPath);
    // A later save may replace the file now: this upload sends what it has saved itself.
    if (copy !== null) file.leave();
    return await upload(task, { localPath, cloudPath, readFrom: copy ?? localPath, place: object }, context);
  } finally {
    file.leave();
    object.leave();
    if (copy !== null) await orNull(context.disk.unlink(copy));
  }
}

async function save(
  task: TransferTask,
  { localPath, transitions, logicalBytes }: Order<"buffer">,
  held: HeldBuffer,
  { disk, files, status, onSaved }: TransferContext,
): Promise<void> {
  try {
    task.assertSaveWanted();
    task.setPhase("saving");
    await makeFolder(disk, dirname(localPath));
    const { bytes } = await files.save(localPath, held);
    task.isSaved = true;
    // The end of the process waits for this count.
    status.add("completed");
    task.setPhase("waiting");
    onSaved(task, { kind: "saved", name: task.name, transitions, logicalBytes, bytes, elapsedMs: task.elapsedMs });
  } catch (error) {
    files.letGo(held);
    held.priorities?.release();
    if (!task.isSaved) status.add("failed");
    throw error;
  }
}

/** Makes a folder that is not there, durably. */
async function makeFolder(disk: FileSystem, path: string): Promise<void> {
  try {
    if ((await orNull(disk.realPath(path))) !== null) return;
    await new RunFolders(path, disk, temporaryNames, systemClock).ensure(path);
  } catch (error) {
    throw translateFileError(error, "save", path, `making the folder ${path}`);
  }
}

/** Another name for the same file, which stays when the file's own name is given to another; null where there is none. */
async function secondName(disk: FileSystem, path: string): Promise<string | null> {
  const name = join(dirname(path), temporaryNames.next());
  try {
    await disk.link(path, name);
    return name;
  } catch (error) {
    // Some file systems have no hard links. The file's own name does, and later saves of it wait.
    if (translateFileError(error, "link", path, "") === error) throw error;
    return null;
  }
}

/** @throws StoreError of kind `not-found` at once if there is no such file */
export async function uploadSingle(
  task: TransferTask,
  { localPath, cloudPath }: Order<"upload-file">,
  context: TransferContext,
): Promise<TransferResult> {
  const { lanes } = context;
  const [place, written] = await lanes.run(PLAN, () => [
    lanes.enter(cloudLane(cloudPath)),
    lanes.last(fileLane(localPath)),
  ]);
  try {
    await written;
    return await upload(task, { localPath, cloudPath, readFrom: localPath, place }, context);
  } finally {
    place.leave();
  }
}

async function upload(
  task: TransferTask,
  paths: { readonly localPath: string; readonly cloudPath: string; readonly readFrom: string; readonly place: Place },
  { disk, mover }: TransferContext,
): Promise<TransferResult> {
  const { localPath, cloudPath: key, readFrom, place } = paths;
  const sizeBytes = await fileSize(disk, readFrom, localPath);
  task.setTotal(sizeBytes);
  await task.turn(place);
  const { bytes, isUnchanged } = await mover.upload(task.move({ localPath, readFrom, key, sizeBytes }, "uploading"));
  task.advance(key, bytes);
  const moved = isUnchanged ? { files: 0, unchanged: 1, bytes: 0 } : { files: 1, unchanged: 0, bytes };
  return task.result({ from: task.name, to: mover.url(key), ...moved });
}

const NO_FILES: Readonly<Record<Exclude<FileKind, "file">, { readonly is: string; readonly hint: string }>> = {
  folder: { is: "a folder", hint: "uploadDirectory() sends the files of a folder." },
  link: { is: "a symbolic link", hint: "Give the path that it leads to (fs.realpathSync)." },
  other: { is: "a pipe, a socket or a device", hint: "Write what comes out of it to a file, and upload that." },
};

async function fileSize(disk: FileSystem, path: string, shown: string): Promise<number> {
  try {
    const { kind, sizeBytes } = await disk.info(path);
    if (kind === "file") return sizeBytes;
    const { is, hint } = NO_FILES[kind];
    throw new StoreError("unsupported", "upload", shown, `expected a file, got ${is}`, { hint });
  } catch (error) {
    if (!isAbsent(error)) throw translateFileError(error, "upload", shown, "reading it");
    throw new StoreError("not-found", "upload", shown, "there is no such file", { cause: error });
  }
}

export async function downloadSingle(
  task: TransferTask,
  { localPath, cloudPath: key }: Order<"download-file">,
  { lanes, mover }: TransferContext,
): Promise<TransferResult> {
  const place = await lanes.run(PLAN, () => lanes.enter(cloudLane(key), fileLane(localPath)));
  try {
    await task.turn(place);
    const move = task.move({ localPath, key, sizeBytes: 0 }, "downloading");
    const onSize = (sizeBytes: number): void => task.setTotal(sizeBytes);
    const { bytes } = await mover.download({ ...move, onSize }, dirname(localPath));
    task.advance(key, bytes);
    return task.result({ from: mover.url(key), to: task.name, files: 1, unchanged: 0, bytes });
  } finally {
    place.leave();
  }
}
