import { createHash } from "node:crypto";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { freeMemory } from "../../../base/memory.ts";
import { InvalidArgumentError, StoreError } from "../../../errors.ts";
import { writeWhole } from "../../../store/file-content.ts";
import { ignoreFileError, orNull, translateFileError } from "../../../store/file-errors.ts";
import type { FileSystem } from "../../../store/file-system.ts";
import { assertObjectKey } from "../../../store/folder/object-key.ts";
import type { ObjectClient } from "../../../store/object-client.ts";
import { throwIfAborted } from "../../../store/request.ts";
import { type Located, RunFolders } from "../../../store/run-folders.ts";
import type { DownloadedFile, DownloadRequest, FileTransfers } from "./contract.ts";

/** Bytes per request: so much is in memory at a time. */
const RANGE_BYTES: number = 8 * 1024 * 1024;

type Head = NonNullable<Awaited<ReturnType<ObjectClient["head"]>>>;

/**
 * Downloads an object into a file, which is there whole or as it was before: ranges go into an unfinished file in the
 * same folder, which is checked, made durable and renamed. One try, from the beginning.
 *
 * @throws StoreError: `not-found` if there is no such object, `no-space` if the disk is full, `busy` if the object was
 *   replaced meanwhile, `io` if its content has not the SHA-256 that was noted with it. InvalidArgumentError, before
 *   anything is touched, for a path that leads out of `within`.
 */
export async function downloadFile(transfers: FileTransfers, request: DownloadRequest): Promise<DownloadedFile> {
  const { key, localPath, signal } = request;
  assertObjectKey("key", key);
  const root = resolve(request.within ?? dirname(resolve(localPath)));
  const path = pathBelow(root, localPath);
  throwIfAborted(signal, "download", key);
  try {
    const head = await transfers.client.head(key, { signal });
    if (head === null) throw new StoreError("not-found", "download", key, `it is not in ${transfers.client.url}`);
    request.onSize?.(head.sizeBytes);
    const place = await makePlace(transfers, root, path, key);
    await writeObject(transfers, request, head, place);
    return { bytes: head.sizeBytes };
  } catch (error) {
    throw translateFileError(error, "download", key, `writing ${localPath}`);
  }
}

/** @throws InvalidArgumentError */
function pathBelow(root: string, localPath: string): string {
  const path = relative(root, resolve(localPath));
  const parts = path.split(sep);
  if (path === "" || isAbsolute(path) || parts[0] === ".." || path.includes("\0")) {
    throw new InvalidArgumentError("localPath", `a path below ${root}`, localPath);
  }
  return parts.join("/");
}

/** Makes the folders on the way. Links on the way to the root are the caller's; below it they are refused. */
async function makePlace(
  { files, temporaryNames, clock }: FileTransfers,
  root: string,
  path: string,
  key: string,
): Promise<Located> {
  const folders = new RunFolders(await realFolder(files, root), files, temporaryNames, clock);
  const before = await folders.locate("download", path);
  if (before.info !== null && before.info.kind !== "file") {
    throw new StoreError("unsupported", "download", key, `${before.path} is not a file`);
  }
  await folders.ensure(before.folder);
  for (const { name } of await files.readFolder(before.folder)) {
    // Age says nothing here: only a file whose process is gone is certain to be nobody's.
    if (temporaryNames.isAbandoned(name, 0)) await folders.discard(join(before.folder, name));
  }
  return before;
}

async function realFolder(files: FileSystem, path: string): Promise<string> {
  const real = await orNull(files.realPath(path));
  const parent = dirname(path);
  if (real !== null || parent === path) return real ?? path;
  return join(await realFolder(files, parent), basename(path));
}

async function writeObject(
  { client, files, temporaryNames }: FileTransfers,
  request: DownloadRequest,
  head: Head,
  { folder, path }: Located,
): Promise<void> {
  const temporary = join(folder, temporaryNames.next());
  try {
    // The ranges hear the signal, and name the download in what they throw.
    await writeWhole(files, temporary, request.key, readRanges(client, request, head), undefined);
    throwIfAborted(request.signal, "download", request.key);
    await files.rename(temporary, path);
  } catch (error) {
    await ignoreFileError(files.unlink(temporary));
    throw error;
  }
  await files.syncFolder(folder);
}

/** The object's content in parts; ends with an error if they are not all of one and the same object. */
async function* readRanges(
  client: ObjectClient,
  { key, signal, report, onMoved }: DownloadRequest,
  head: Head,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for (let offset = 0; offset < head.sizeBytes; ) {
    throwIfAborted(signal, "download", key);
    const length = Math.min(RANGE_BYTES, head.sizeBytes - offset);
    const bytes = await client.get(key, { range: { offset, length }, signal });
    if (bytes?.length !== length) throw replaced(key, bytes === null ? "it was deleted" : "it has another size");
    onMoved?.(length);
    hash.update(bytes);
    offset += length;
    yield bytes;
    freeMemory(bytes.buffer);
    report?.(offset);
  }
  if (head.metadata !== null) {
    if (hash.digest("hex") === head.metadata.sha256) return;
    throw new StoreError("io", "download", key, "what came has not the SHA-256 that was noted with it");
  }
  const now = await client.head(key, { signal });
  if (now?.sizeBytes === head.sizeBytes && now.modifiedAtMs === head.modifiedAtMs) return;
  throw replaced(key, "it is another object now");
}

function replaced(key: string, how: string): StoreError {
  return new StoreError("busy", "download", key, `it changed while it was read: ${how}`);
}
