import { createHash } from "node:crypto";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { createFileTransfers } from "../../../src/checkpoint/cloud/files/file-transfers.ts";
import { uploadFile } from "../../../src/checkpoint/cloud/files/upload-file.ts";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { withRetry } from "../../../src/transfer/retry.ts";
import type { ChaosFault } from "../../servers/chaos-proxy.ts";
import { type Bench, benchFor, SMALL } from "./fault-bench.ts";

/** A piece and a bit. */
const FILE_BYTES = SMALL.pieceBytes + 5_000;

const UPLOAD_FAULTS: readonly ChaosFault[] = [
  { kind: "refused" },
  { kind: "answer lost" },
  { kind: "request reset", atByte: 300_000 },
  { kind: "request bit flipped", atByte: 4_000 },
  // In the name of the file, where that goes in a body.
  { kind: "request bit flipped", atByte: 15 },
  { kind: "request stalled", atByte: 0 },
];

/**
 * Uploads a file again and again, each time with another fault at another request, and tries as often as it takes.
 *
 * @returns faults that were met
 */
export async function uploadThroughFaults(bench: Bench): Promise<number> {
  const { insideClient, proxy, prefix } = bench;
  const folder = await mkdtemp(join(await realpath(tmpdir()), "varve-faults-"));
  const file = Buffer.alloc(FILE_BYTES);
  const metBefore = proxy.met;
  try {
    for (const [index, fault] of UPLOAD_FAULTS.entries()) {
      for (let nth = 0; ; nth++) {
        const localPath = join(folder, `${index}-${nth}.bin`);
        file.writeUInt32LE(index * 100 + nth, 0);
        await writeFile(localPath, file);
        const key = `${prefix}files/${index}-${nth}.bin`;
        proxy.plan(fault, nth);
        await uploadPatiently(benchFor(bench, fault), localPath, key);
        const isLast = proxy.isPending;
        await expectFile(insideClient, key, file, `${JSON.stringify(fault)} at request ${nth}`);
        await insideClient.delete(key);
        // The upload has no request of this number any more.
        if (isLast) break;
      }
    }
    const stray = await Array.fromAsync(insideClient.list(""), ({ key }) => key);
    expect(stray.filter((key) => !key.startsWith(prefix) || key.startsWith(`${prefix}files/`))).toEqual([]);
    return proxy.met - metBefore;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function uploadPatiently({ client, retry }: Bench, localPath: string, key: string): Promise<void> {
  const transfers = createFileTransfers(client, { warn: () => undefined });
  await withRetry(() => uploadFile(transfers, { localPath, key }), {
    ...retry,
    policy: { ...retry.policy, attempts: 5 },
  });
}

async function expectFile(client: ObjectClient, key: string, file: Buffer, about: string): Promise<void> {
  const head = await client.head(key);
  const sha256 = createHash("sha256").update(file).digest("hex");
  expect(head, about).toMatchObject({ sizeBytes: file.length, metadata: { sha256 } });
  const got = await client.get(key);
  expect(got !== null && Buffer.compare(got, file) === 0, about).toBe(true);
}
