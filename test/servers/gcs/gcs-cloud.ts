import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { randomId } from "../../../src/base/ids.ts";
import type { RunningCloud } from "../running-cloud.ts";
import { failure, type GcsAnswer, type GcsRequest } from "./gcs-answer.ts";
import { answerTo, type GcsBucket, kindOf, type RequestKind } from "./gcs-protocol.ts";
import { type StoredObject, StoredObjects } from "./stored-objects.ts";
import { type UploadSession, UploadSessions } from "./upload-sessions.ts";

export interface GcsCloudOptions {
  /** As servers do that know no `ifGenerationMatch`. */
  readonly ignoresConditions?: boolean;
  /** 403 to everything. */
  readonly deny?: boolean;
  /** Answers in the server's place; null leaves the request to it. */
  readonly onRequest?: (request: GcsRequest) => GcsAnswer | null;
}

export interface GcsCloud extends RunningCloud {
  readonly bucket: string;
  readonly objects: ReadonlyMap<string, StoredObject>;
  /** By the id in the URL of each; those that were cancelled or completed stay, with their state. */
  readonly sessions: ReadonlyMap<string, UploadSession>;
  /** Requests so far. */
  readonly counts: Readonly<Record<RequestKind, number>>;
}

/** Starts a server of its own make for the JSON API of Google Cloud Storage, all in memory, with one empty bucket. */
export async function startGcsCloud(options: GcsCloudOptions = {}): Promise<GcsCloud> {
  const bucket = `test-${randomId()}`;
  const objects = new StoredObjects(bucket, options.ignoresConditions ?? false);
  const inside: GcsBucket = { objects, uploads: new UploadSessions(objects) };
  const counts: Record<RequestKind, number> = {
    ...{ insert: 0, begin: 0, piece: 0, status: 0, cancel: 0 },
    ...{ download: 0, describe: 0, list: 0, delete: 0, other: 0 },
  };
  const answer = (request: GcsRequest): GcsAnswer => {
    counts[kindOf(request)] += 1;
    const own = options.onRequest?.(request) ?? null;
    if (own !== null) return own;
    if (options.deny) return failure(403, "forbidden", "The caller does not have the permission storage.objects.");
    return answerTo(request, inside);
  };
  const server = createServer((request, response) => {
    serve(request, response, answer).catch((error: unknown) => response.destroy(error as Error));
  });
  const port = await listen(server);
  return {
    name: "gcs",
    port,
    bucket,
    objects: objects.byName,
    sessions: inside.uploads.byId,
    counts,
    options: (via = port) => ({ endpoint: `http://127.0.0.1:${via}` }),
    newUrl: () => `gs://${bucket}/${randomId()}`,
    close: () => stop(server),
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (request: GcsRequest) => GcsAnswer,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { method = "", headers } = request;
  const url = new URL(`http://${headers.host}${request.url}`);
  const { status, headers: answered = {}, body = "" } = answer({ method, url, headers, body: Buffer.concat(chunks) });
  const length = status === 204 ? {} : { "content-length": Buffer.byteLength(body) };
  response.writeHead(status, { ...length, ...answered }).end(body);
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function stop(server: Server): Promise<void> {
  if (!server.listening) return;
  server.closeAllConnections();
  server.close();
  await once(server, "close");
}
