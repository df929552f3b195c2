import { once } from "node:events";
import { parentPort, Worker } from "node:worker_threads";
import { type ChaosFault, startChaosProxy } from "./chaos-proxy.ts";
import { startS3Cloud } from "./s3/s3-cloud.ts";

/** An S3 server behind a chaos proxy in a thread of its own: it answers also while the test's thread is blocked. */
export interface S3Thread {
  readonly url: string;
  /** The same place, past the proxy. */
  readonly directUrl: string;
  /** What every request meets from now on; null for none of them. Answered when it holds. */
  always(fault: ChaosFault | null): Promise<void>;
  close(): Promise<void>;
}

export async function startS3Thread(): Promise<S3Thread> {
  process.env["AWS_ACCESS_KEY_ID"] ??= "varve-test-key";
  process.env["AWS_SECRET_ACCESS_KEY"] ??= "varve-test-secret";
  const worker = new Worker(new URL(import.meta.url), { execArgv: [] });
  const [urls] = (await once(worker, "message")) as [{ url: string; directUrl: string }];
  return {
    ...urls,
    always: async (fault) => {
      worker.postMessage(fault);
      await once(worker, "message");
    },
    close: async () => void (await worker.terminate()),
  };
}

async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  const cloud = await startS3Cloud();
  const proxy = await startChaosProxy(cloud.port);
  port.on("message", (fault: ChaosFault | null) => {
    proxy.always(fault === null ? null : () => fault);
    port.postMessage("done");
  });
  const place = cloud.newUrl();
  const via = (at: number): string => `${place}?endpoint=http://127.0.0.1:${at}&region=us-east-1&forcePathStyle=true`;
  port.postMessage({ url: via(proxy.port), directUrl: via(cloud.port) });
}

if (parentPort !== null && new URL(import.meta.url).pathname === process.argv[1]) await serve(parentPort);
