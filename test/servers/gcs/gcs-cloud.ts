import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { randomId } from "../../../src/base/ids.ts";
import type { CloudOptions } from "../../../src/store/object-url.ts";
import type { RunningCloud } from "../running-cloud.ts";
import { failure, type GcsAnswer, type GcsRequest } from "./gcs-answer.ts";
import { answerTo, type GcsBucket, kindOf, type RequestKind } from "./gcs-protocol.ts";
import { type StoredObject, StoredObjects } from "./stored-objects.ts";
import { type UploadSession, UploadSessions } from "./upload-sessions.ts";

export interface GcsCloudOptions {
  /** As servers do that know no `ifGenerationMatch`. */
  readonly ignoresConditions?: boolean;
}

export interface GcsCloud extends RunningCloud {
  options(port?: number): CloudOptions & Record<string, unknown>;
  readonly bucket: string;
  /** What the bucket holds, by name; a test may change it. */
  readonly objects: Map<string, StoredObject>;
  /** By the id in the URL of each; those that were cancelled or completed stay, with their state. */
  readonly uploads: Map<string, UploadSession>;
  /** How many requests of each kind came. */
  readonly requests: ReadonlyMap<RequestKind, number>;
  /** True: every request is answered with 403. */
  deny: boolean;
  /** Asked about every request before the server; what it returns is the answer, null lets the server answer. */
  onRequest: ((request: GcsRequest) => GcsAnswer | null) | null;
}

/** Starts a server of its own make for the JSON API of Google Cloud Storage, all in memory, with one empty bucket. */
export async function startGcsCloud(options: GcsCloudOptions = {}): Promise<GcsCloud> {
  const bucket = `test-${randomId()}`;
  const objects = new StoredObjects(bucket, options.ignoresConditions ?? false);
  const inside: GcsBucket = { objects, uploads: new UploadSessions(objects) };
  const requests = new Map<RequestKind, number>();
  const server = createServer();
  const port = await listen(server);
  const cloud: GcsCloud = {
    name: "gcs",
    port,
    bucket,
    objects: objects.byName,
    uploads: inside.uploads.byId,
    requests,
    deny: false,
    onRequest: null,
    options: (via = port) => ({ endpoint: `http://127.0.0.1:${via}` }),
    newUrl: () => `gs://${bucket}/${randomId()}`,
    close: () => stop(server),
  };
  const answer = (request: GcsRequest): GcsAnswer => {
    const kind = kindOf(request);
    requests.set(kind, (requests.get(kind) ?? 0) + 1);
    const own = cloud.onRequest?.(request) ?? null;
    if (own !== null) return own;
    return cloud.deny ? denied() : answerTo(request, inside);
  };
  server.on("request", (request, response) => {
    serve(request, response, answer).catch((error: unknown) => response.destroy(error as Error));
  });
  return cloud;
}

function denied(): GcsAnswer {
  return failure(
    403,
    "forbidden",
    "The caller does not have storage.objects access to the Google Cloud Storage object.",
  );
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
  // By this header one knows that the service itself has answered.
  response.writeHead(status, { "x-guploader-uploadid": randomId(), ...length, ...answered }).end(body);
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
