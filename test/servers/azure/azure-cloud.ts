import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { ContainerClient, StorageSharedKeyCredential } from "@azure/storage-blob";
import { randomId } from "../../../src/base/ids.ts";
import type { CloudOptions } from "../../../src/store/object-url.ts";
import type { RunningCloud } from "../running-cloud.ts";

const ACCOUNT = "varvetest";

export interface AzureCloud extends RunningCloud {
  options(port?: number): CloudOptions & Record<string, unknown>;
  readonly account: string;
  /** New for every server: whatever shows it has told a secret. */
  readonly accountKey: string;
  readonly container: string;
  /** The SDK's own client, to look behind the adapter. */
  readonly inside: ContainerClient;
}

/** Starts azurite in a process and a folder of its own, all in memory, with one empty container. */
export async function startAzureCloud(): Promise<AzureCloud> {
  const folder = await mkdtemp(join(tmpdir(), "varve-azurite-"));
  const accountKey = Buffer.from(randomId() + randomId()).toString("base64");
  const server = spawn(process.execPath, ["--import", END_WITH_PARENT, azuriteMain(), ...FLAGS], {
    cwd: folder,
    env: { ...process.env, AZURITE_ACCOUNTS: `${ACCOUNT}:${accountKey}` },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const close = async (): Promise<void> => {
    if (server.exitCode === null && server.signalCode === null) {
      server.kill("SIGKILL");
      await once(server, "close");
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const port = await portOf(server);
    const container = `test-${randomId()}`;
    const inside = clientOf(port, container, accountKey);
    await inside.create();
    return {
      name: "azure",
      port,
      account: ACCOUNT,
      accountKey,
      container,
      inside,
      options: (via = port) => ({ connectionString: connectionString(via, accountKey) }),
      newUrl: () => `az://${ACCOUNT}/${container}/${randomId()}`,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

export function connectionString(port: number, key: string): string {
  return `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${key};BlobEndpoint=http://127.0.0.1:${port}/${ACCOUNT};`;
}

/** A test process that is killed closes nothing; its end of this pipe closes all the same. */
const END_WITH_PARENT = "data:text/javascript,process.stdin.on('end',()=>process.exit()).resume()";

const FLAGS = [
  ...["--blobHost", "127.0.0.1", "--blobPort", "0"],
  ...["--inMemoryPersistence", "--silent", "--disableTelemetry"],
  // The SDK asks for a newer version of the service than any azurite knows.
  "--skipApiVersionCheck",
];

/** Without `npm exec`: that would be a process in between, and the signal would miss the server. */
function azuriteMain(): string {
  const manifest = createRequire(import.meta.url).resolve("azurite/package.json");
  return join(dirname(manifest), "dist", "src", "blob", "main.js");
}

async function portOf(server: ChildProcessByStdio<Writable, Readable, Readable>): Promise<number> {
  let printed = "";
  return new Promise((resolve, reject) => {
    const onText = (text: string): void => {
      printed += text;
      const port = /successfully listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(printed)?.[1];
      if (port !== undefined) resolve(Number(port));
    };
    for (const stream of [server.stdout, server.stderr]) stream.setEncoding("utf8").on("data", onText);
    server.once("error", reject);
    server.once("close", (code) => reject(new Error(`azurite ended with ${code}: ${printed}`)));
  });
}

function clientOf(port: number, container: string, key: string): ContainerClient {
  const credential = new StorageSharedKeyCredential(ACCOUNT, key);
  return new ContainerClient(`http://127.0.0.1:${port}/${ACCOUNT}/${container}`, credential);
}
