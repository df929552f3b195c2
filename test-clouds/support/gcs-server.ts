import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomId } from "../../src/base/ids.ts";
import type { CloudOptions } from "../../src/store/object-url.ts";
import type { RunningCloud } from "../../test/servers/running-cloud.ts";
import { freePort, untilListening } from "./s3-server.ts";
import { findOrInstall, TOOLS, type Tool } from "./s3-tools.ts";

export interface ForeignGcs extends RunningCloud {
  options(port?: number): CloudOptions & Record<string, unknown>;
  readonly bucket: string;
}

/** Of v1.56 or newer: older ones passed over conditions on some kinds of upload. */
export async function findFakeGcsServer(): Promise<Tool> {
  return findOrInstall("fake-gcs-server", join(TOOLS, "go", "fake-gcs-server"), [
    ["go", "install", "github.com/fsouza/fake-gcs-server@latest"],
  ]);
}

/** All in memory, with one empty bucket. */
export async function startFakeGcsServer(path: string): Promise<ForeignGcs> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const flags = ["-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", String(port)];
  const server = spawn(path, [...flags, "-log-level", "error"], { cwd: tmpdir(), stdio: "ignore" });
  const close = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill("SIGKILL");
    await once(server, "close");
  };
  const bucket = `test-${randomId()}`;
  try {
    await untilListening(server, port);
    const created = await fetch(`${endpoint}/storage/v1/b?project=test`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: bucket }),
    });
    if (!created.ok) throw new Error(`no bucket could be made: HTTP ${created.status}`);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    name: "gcs",
    port,
    bucket,
    options: (via = port) => ({ endpoint: `http://127.0.0.1:${via}` }),
    newUrl: () => `gs://${bucket}/${randomId()}`,
    close,
  };
}
