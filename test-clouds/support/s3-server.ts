import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { randomId } from "../../src/base/ids.ts";
import type { CloudOptions } from "../../src/store/object-url.ts";
import type { RunningCloud } from "../../test/servers/running-cloud.ts";

export interface ForeignS3 extends RunningCloud {
  options(port?: number): CloudOptions & Record<string, unknown>;
  readonly bucket: string;
}

export async function startMoto(path: string): Promise<ForeignS3> {
  return startForeign((port) => spawnQuietly(path, ["-H", "127.0.0.1", "-p", String(port)], tmpdir()));
}

/** Its objects are files in a folder of its own. */
export async function startVersitygw(path: string): Promise<ForeignS3> {
  const folder = await mkdtemp(join(tmpdir(), "varve-versitygw-"));
  const { access, secret } = credentials();
  const flags = ["--access", access, "--secret", secret, "--keep-alive", "--quiet"];
  const cloud = await startForeign((port) =>
    spawnQuietly(path, [...flags, "--port", `127.0.0.1:${port}`, "posix", folder], folder),
  );
  return {
    ...cloud,
    close: async () => {
      await cloud.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** For this process, whatever it was started with: they are only good for a server on this machine. */
function credentials(): { readonly access: string; readonly secret: string } {
  process.env["AWS_ACCESS_KEY_ID"] = "varve-test-key";
  process.env["AWS_SECRET_ACCESS_KEY"] ??= `secret-${randomId()}`;
  return { access: process.env["AWS_ACCESS_KEY_ID"], secret: process.env["AWS_SECRET_ACCESS_KEY"] };
}

async function startForeign(start: (port: number) => ChildProcess): Promise<ForeignS3> {
  credentials();
  const port = await freePort();
  const server = start(port);
  const bucket = `test-${randomId()}`;
  const options = (via = port): CloudOptions & Record<string, unknown> => ({ endpoint: `http://127.0.0.1:${via}` });
  const close = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill("SIGKILL");
    await once(server, "close");
  };
  try {
    await untilListening(server, port);
    const client = new S3Client({ endpoint: `http://127.0.0.1:${port}`, region: "us-east-1", forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    client.destroy();
    return { name: "s3", port, bucket, options, newUrl: () => `s3://${bucket}/${randomId()}`, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function spawnQuietly(command: string, args: readonly string[], cwd: string): ChildProcess {
  // What it prints is a line for each request.
  return spawn(command, args, { cwd, stdio: "ignore" });
}

/** Free a moment ago: of these servers one cannot tell which port it chose by itself. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export async function untilListening(server: ChildProcess, port: number): Promise<void> {
  const ended = once(server, "close").then(([code]) => Promise.reject(new Error(`the server ended with ${code}`)));
  const listening = async (): Promise<void> => {
    while (!(await isListening(port))) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await Promise.race([ended, listening()]);
  ended.catch(() => undefined);
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  }).finally(() => socket.destroy()) as Promise<boolean>;
}
