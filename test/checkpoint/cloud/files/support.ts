import { createHash } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "../../../../src/base/random.ts";
import type { FileTransfers } from "../../../../src/checkpoint/cloud/files/contract.ts";
import { createFileTransfers } from "../../../../src/checkpoint/cloud/files/file-transfers.ts";
import { connectFolder } from "../../../../src/store/folder/folder-client.ts";
import type { ObjectClient } from "../../../../src/store/object-client.ts";
import { temporaryFolder } from "../../../store/temporary-folder.ts";
import { type ClientCall, type ClientInterceptor, describeCall, interceptClient } from "./intercept-client.ts";

/** Small ones, so that five of them are little. */
export const PIECE_BYTES = 1000;
export const KEY = "project/a b/model.bin";

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Bytes that look random; equal for equal seeds. */
export function noise(length: number, seed = 1): Uint8Array {
  const random = createRandom(seed);
  return Uint8Array.from({ length }, () => Math.floor(random.uniform() * 256));
}

export interface Place {
  /** Where the local file is. */
  readonly folder: string;
  readonly localPath: string;
  /** Stands for the bucket; without faults. */
  readonly bucket: ObjectClient;
  readonly bucketFolder: string;
}

/** A file of so many bytes on disk, and a bucket. */
export async function newPlace(content: Uint8Array): Promise<Place> {
  const folder = await temporaryFolder();
  const bucketFolder = await temporaryFolder();
  const localPath = join(folder, "model.bin");
  await writeFile(localPath, content);
  return { folder, localPath, bucketFolder, bucket: connectFolder(bucketFolder, { pieceBytes: PIECE_BYTES }) };
}

export interface Process {
  readonly transfers: FileTransfers;
  /** Every request, as a line. */
  readonly requests: string[];
  readonly calls: ClientCall[];
  readonly warnings: string[];
}

/** What a process has that was just started: nothing but the disk and the bucket. */
export function newProcess(
  { bucket }: Pick<Place, "bucket">,
  intercept: ClientInterceptor = (_, proceed) => proceed(),
  options: Partial<FileTransfers> = {},
): Process {
  const warnings: string[] = [];
  const calls: ClientCall[] = [];
  const requests: string[] = [];
  const client = interceptClient(bucket, (call, proceed) => {
    calls.push(call);
    requests.push(describeCall(call));
    return intercept(call, proceed);
  });
  const transfers = createFileTransfers(client, { warn: (message) => warnings.push(message), ...options });
  return { transfers, requests, calls, warnings };
}

/** Names in the folder beside the file itself. */
export async function leftovers({ folder }: Place): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name !== "model.bin");
}

export async function openUploads({ bucket }: Place): Promise<number> {
  return (await Array.fromAsync(bucket.pieces.open(""))).length;
}
