import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { randomId } from "../../../src/base/ids.ts";
import type { CloudOptions } from "../../../src/store/object-url.ts";
import type { RunningCloud } from "../running-cloud.ts";
import type { SelfSigned } from "../self-signed.ts";
import { errorAnswer, type S3Answer } from "./s3-answer.ts";
import { verifyPayload } from "./s3-checksums.ts";
import { listObjects, listUploads } from "./s3-listing.ts";
import { abortUpload, completeUpload, createUpload, listParts, putPart } from "./s3-multipart.ts";
import { deleteObject, getObject, putObject } from "./s3-objects.ts";
import { readRequest, type S3Request } from "./s3-request.ts";
import type { RequestKind, S3State, StoredObject, StoredUpload } from "./s3-state.ts";

export interface S3CloudOptions {
  /** The server takes every write as one without a condition, as some compatible servers do. */
  readonly ignoresConditions?: boolean;
  /** Most entries in a page of a listing; 1000. */
  readonly pageSize?: number;
  /** Of all parts but the last; 5 MiB. */
  readonly minPartBytes?: number;
  /** Of 127.0.0.1: the server is then reached over https. */
  readonly tls?: SelfSigned;
}

export interface S3Cloud extends RunningCloud {
  options(port?: number): CloudOptions & Record<string, unknown>;
  readonly bucket: string;
  /** What the bucket holds, by key; a test may change it. */
  readonly objects: Map<string, StoredObject>;
  /** Multipart uploads that are under way, by id. */
  readonly uploads: Map<string, StoredUpload>;
  /** How many requests of each kind came. */
  readonly requests: ReadonlyMap<RequestKind, number>;
  /** True: every request is answered with 403 AccessDenied. */
  deny: boolean;
  /** Asked about every request before the server; what it returns is the answer, null lets the server answer. */
  onRequest: ((request: S3Request) => S3Answer | null) | null;
}

const HANDLERS: Readonly<Record<RequestKind, (request: S3Request, state: S3State) => S3Answer>> = {
  put: putObject,
  get: getObject,
  head: getObject,
  list: listObjects,
  delete: deleteObject,
  headBucket: () => ({ status: 200 }),
  createUpload,
  putPart,
  listParts,
  completeUpload,
  abortUpload,
  listUploads,
  other: () => errorAnswer(501, "NotImplemented", "this server has only what Varve asks for"),
};

/**
 * Starts a server of the S3 protocol in this process, all in memory, with one empty bucket. It verifies conditions and
 * checksums as S3 does, but no signatures.
 *
 * @returns the server; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set for this process where they were not
 */
export async function startS3Cloud(options: S3CloudOptions = {}): Promise<S3Cloud> {
  process.env["AWS_ACCESS_KEY_ID"] ??= "varve-test-key";
  process.env["AWS_SECRET_ACCESS_KEY"] ??= `secret-canary-${randomId()}`;
  const { ignoresConditions = false, pageSize = 1000, minPartBytes = 5 * 1024 * 1024, tls } = options;
  const bucket = `test-${randomId()}`;
  const state: S3State = { bucket, objects: new Map(), uploads: new Map(), pageSize, minPartBytes, ignoresConditions };
  const requests = new Map<RequestKind, number>();
  const server = tls === undefined ? createServer() : createTlsServer(tls);
  const scheme = tls === undefined ? "http" : "https";
  const port = await listen(server);
  const cloud: S3Cloud = {
    name: "s3",
    port,
    bucket,
    objects: state.objects,
    uploads: state.uploads,
    requests,
    deny: false,
    onRequest: null,
    options: (via = port) => ({ endpoint: `${scheme}://127.0.0.1:${via}`, region: "us-east-1", forcePathStyle: true }),
    newUrl: () => `s3://${bucket}/${randomId()}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  server.on("request", (message, response) => {
    readRequest(message)
      .then((request) => {
        requests.set(request.kind, (requests.get(request.kind) ?? 0) + 1);
        sendAnswer(response, answerTo(request, cloud, state), request.method);
      })
      // Its sender went away, or sent what no S3 client sends.
      .catch((error: Error) => response.destroy(error));
  });
  return cloud;
}

function answerTo(request: S3Request, { deny, onRequest }: S3Cloud, state: S3State): S3Answer {
  const wanted = onRequest?.(request) ?? null;
  if (wanted !== null) return wanted;
  if (deny || request.headers.authorization === undefined) return errorAnswer(403, "AccessDenied", "Access Denied");
  if (request.bucket !== state.bucket) {
    return errorAnswer(404, "NoSuchBucket", "The specified bucket does not exist");
  }
  return verifyPayload(request.headers, request.rawBody) ?? HANDLERS[request.kind](request, state);
}

function sendAnswer(response: ServerResponse, { status, headers = {}, body = "" }: S3Answer, method: string): void {
  const length = status === 204 ? {} : { "content-length": Buffer.byteLength(body) };
  response.writeHead(status, { "x-amz-request-id": randomId(), ...length, ...headers });
  response.end(method === "HEAD" ? undefined : body);
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
