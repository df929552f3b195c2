import { join, sep } from "node:path";
import { raceAbort } from "../../base/abort.ts";
import { DirectoryTransferError, StoreError, VarveError } from "../../errors.ts";
import { orNull, translateFileError } from "../../store/file-errors.ts";
import { assertObjectKey, isObjectKey } from "../../store/folder/object-key.ts";
import type { Place } from "./key-lanes.ts";
import type { TransferOrder, TransferResult } from "./messages.ts";
import { cloudLane, fileLane, PLAN, type TransferContext } from "./single-transfers.ts";
import type { TransferTask } from "./transfer-task.ts";

type Order<Kind extends TransferOrder["kind"]> = Extract<TransferOrder, { kind: Kind }>;

interface Listed {
  /** Below the directory, separated by `/`. */
  readonly path: string;
  readonly localPath: string;
  readonly key: string;
  readonly sizeBytes: number;
}

/** One file, or a folder that could not be looked into. */
interface Failure {
  /** Below the directory. */
  readonly path: string;
  readonly error: VarveError;
}

/** Of different ones: a person reads no more. */
const SHOWN_HINTS = 3;

interface Planned extends Listed {
  readonly place: Place;
  /** Resolves when those who came before do not write to its local file any more. */
  readonly written?: Promise<void> | undefined;
}

/**
 * Uploads every file of a directory that the cloud does not have yet, those included that saves and downloads from before
 * the call have still to write. One that fails does not keep the others back.
 */
export async function uploadDirectory(
  task: TransferTask,
  { localPath, cloudPrefix, exclude }: Order<"upload-directory">,
  { disk, lanes, mover, onRest }: TransferContext,
): Promise<TransferResult> {
  const [planned, failures] = await lanes.run(PLAN, async () => {
    const below = fileLane(join(localPath, sep));
    const expected = lanes.namesFrom(below).map((name) => name.slice(below.length).split(sep).join("/"));
    const listing = await mover.listFolder(localPath, { exclude, expected, signal: task.signal });
    const files = listing.files.map(({ path, sizeBytes }): Planned => {
      const key = cloudPrefix + path;
      const source = join(localPath, path);
      const written = lanes.last(fileLane(source));
      return { path, localPath: source, key, sizeBytes, place: lanes.enter(cloudLane(key)), written };
    });
    return [files, listing.failures] as const;
  });
  const tally = await moveAll(task, { planned, failures }, async (file) => {
    // A name that is one on this disk need not be one in the cloud.
    assertObjectKey("name", file.key);
    // One that was expected and did not come has its own failure.
    if (file.sizeBytes === 0 && (await isGone(file, disk))) return null;
    try {
      return await mover.upload(task.move(file, "uploading"));
    } finally {
      if (task.moved(file.key)) onRest();
    }
  });
  return task.result({ from: task.name, to: mover.url(cloudPrefix), ...tally });
}

/** Downloads everything below a prefix. What has a name that is no path below the directory fails, and only that. */
export async function downloadDirectory(
  task: TransferTask,
  { localPath, cloudPrefix }: Order<"download-directory">,
  { lanes, mover }: TransferContext,
): Promise<TransferResult> {
  const found = await mover.list(cloudPrefix, task.signal);
  const listed = found
    .map(({ key, sizeBytes }) => ({ key, sizeBytes, path: key.slice(cloudPrefix.length) }))
    // What web consoles make to show a folder.
    .filter(({ path }) => path !== "" && !path.endsWith("/"));
  const failures = listed
    .filter(({ path }) => !isObjectKey(path))
    .map(({ key }) => ({ path: key, error: noPath(key) }));
  const planned = await lanes.run(PLAN, () =>
    listed
      .filter(({ path }) => isObjectKey(path))
      .map((file): Planned => {
        const target = join(localPath, file.path);
        return { ...file, localPath: target, place: lanes.enter(cloudLane(file.key), fileLane(target)) };
      }),
  );
  const tally = await moveAll(task, { planned, failures }, (file) =>
    mover.download(task.move(file, "downloading"), localPath),
  );
  return task.result({ from: mover.url(cloudPrefix), to: task.name, ...tally });
}

function noPath(key: string): StoreError {
  return new StoreError("unsupported", "download", key, "its name is no path below a folder", {
    hint: "Give it another name in the cloud: parts separated by single /, without . and .., \\\\ and control characters.",
  });
}

async function isGone({ localPath }: Planned, disk: TransferContext["disk"]): Promise<boolean> {
  try {
    return (await orNull(disk.info(localPath))) === null;
  } catch (error) {
    throw translateFileError(error, "upload", localPath, "looking at it");
  }
}

/** @throws DirectoryTransferError when all have ended and some have failed */
async function moveAll(
  task: TransferTask,
  { planned, failures: known }: { readonly planned: readonly Planned[]; readonly failures: readonly Failure[] },
  move: (file: Planned) => Promise<{ readonly bytes: number; readonly isUnchanged?: boolean } | null>,
): Promise<Pick<TransferResult, "files" | "unchanged" | "bytes">> {
  const tally = { files: 0, unchanged: 0, bytes: 0 };
  const failures = [...known];
  task.setTotal(planned.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const one = async (file: Planned): Promise<void> => {
    try {
      await task.turn(file.place);
      if (file.written !== undefined) await raceAbort(file.written, task.signal);
      const moved = await move(file);
      if (moved === null) return;
      const { bytes, isUnchanged = false } = moved;
      task.advance(file.key, bytes);
      if (isUnchanged) tally.unchanged++;
      else tally.files++;
      tally.bytes += isUnchanged ? 0 : bytes;
    } catch (error) {
      if (!(error instanceof VarveError)) throw error;
      failures.push({ path: file.path, error });
    } finally {
      file.place.leave();
    }
  };
  await Promise.all(planned.map(one));
  task.signal.throwIfAborted();
  const [first] = failures;
  if (first === undefined) return tally;
  const told = failures.map(({ path, error }) => `${path}: ${error.message}`);
  const hints = new Set(failures.map(({ error }) => error.hint).filter((hint) => hint !== undefined));
  throw new DirectoryTransferError(task.name, told, planned.length + known.length, {
    cause: first.error,
    hint: hints.size === 0 ? undefined : [...hints].slice(0, SHOWN_HINTS).join(" "),
  });
}
