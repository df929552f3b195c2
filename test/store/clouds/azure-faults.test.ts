import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { connectAzure } from "../../../src/store/azure/azure-client.ts";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { parseObjectUrl } from "../../../src/store/object-url.ts";

const KEY = Buffer.from("any key").toString("base64");

/** A client of a server that answers as told; answers that no healthy service gives. */
async function connect(answer: RequestListener): Promise<{ client: ObjectClient; requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    request.resume();
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const connectionString = `AccountName=acct;AccountKey=${KEY};BlobEndpoint=http://127.0.0.1:${port}/acct`;
  const client = await connectAzure(parseObjectUrl("az://acct/box", { connectionString, idleTimeoutMs: 100 }));
  onTestFinished(async () => {
    await client.close();
    server.closeAllConnections();
    server.close();
  });
  return { client, requests };
}

function beginBlob(response: ServerResponse, contentLength: number, status = 200): void {
  response.writeHead(status, {
    "content-length": contentLength,
    etag: '"1"',
    "last-modified": new Date(0).toUTCString(),
  });
}

const bytes = new Uint8Array(1000);
const list = (client: ObjectClient) => client.list("")[Symbol.asyncIterator]().next();

describe("azure: answers that go wrong", () => {
  it("rejects a body that is cut off, and never returns a part of it", async () => {
    const { client, requests } = await connect((_, response) => {
      beginBlob(response, 1000);
      response.write(bytes.subarray(0, 400), () => response.destroy());
    });
    await expect(client.get("key")).rejects.toMatchObject({ kind: "network", retryable: true });
    expect(requests).toHaveLength(1);
  });

  it("rejects more bytes than were asked for", async () => {
    const { client } = await connect((_, response) => {
      beginBlob(response, 1000);
      response.end(bytes);
    });
    await expect(client.get("key", { range: { offset: 0, length: 10 } })).rejects.toMatchObject({ kind: "network" });
  });

  it("gives up where nothing moves: no answer, a body that stops, a listing that stops", async () => {
    const silent = await connect(() => undefined);
    await expect(silent.client.get("key")).rejects.toMatchObject({ kind: "timeout", retryable: true });
    await expect(silent.client.put("key", bytes)).rejects.toMatchObject({ kind: "timeout" });
    expect(silent.requests).toHaveLength(2);
    const stopping = await connect((_, response) => {
      beginBlob(response, 1000);
      response.write("<?xml version='1.0'?>");
    });
    await expect(stopping.client.get("key")).rejects.toMatchObject({ kind: "timeout" });
    await expect(list(stopping.client)).rejects.toMatchObject({ kind: "timeout" });
  });

  it("sends a busy request once, and hands on how long the service wants to be left alone", async () => {
    const { client, requests } = await connect((_, response) => {
      response.writeHead(503, { "retry-after": "7", "x-ms-error-code": "ServerBusy" });
      response.end();
    });
    await expect(client.put("key", bytes)).rejects.toMatchObject({ kind: "busy", retryable: true, retryAfterMs: 7000 });
    await expect(list(client)).rejects.toMatchObject({ kind: "busy" });
    expect(requests).toHaveLength(2);
  });

  it("takes nothing for absent but what the service calls so", async () => {
    const { client } = await connect((_, response) => {
      response.writeHead(404);
      response.end("<html>nginx</html>");
    });
    await expect(client.get("key")).rejects.toMatchObject({ kind: "not-found" });
    await expect(client.head("key")).rejects.toMatchObject({ kind: "not-found" });
  });

  it("shows nothing of a page that is no answer of the service", async () => {
    const { client } = await connect((_, response) => {
      response.writeHead(403);
      response.end("<html>Server used following string to sign: canary</html>");
    });
    const error = await client.get("key").catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ kind: "permission", message: expect.not.stringContaining("canary") });
  });

  it("rejects at once when it is aborted, whatever the server does", async () => {
    const { client, requests } = await connect(() => undefined);
    for (const request of [
      (signal: AbortSignal) => client.put("key", bytes, { signal }),
      (signal: AbortSignal) => client.get("key", { signal }),
      (signal: AbortSignal) => client.list("", { signal })[Symbol.asyncIterator]().next(),
    ]) {
      const controller = new AbortController();
      const before = requests.length;
      const answer = request(controller.signal);
      await expect.poll(() => requests.length).toBeGreaterThan(before);
      controller.abort();
      await expect(answer).rejects.toMatchObject({ kind: "aborted", retryable: false });
    }
  });
});
