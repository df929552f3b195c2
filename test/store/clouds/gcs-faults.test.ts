import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { connectForTest, everyRequest, rejectionOf } from "./gcs-every-request.ts";

/** A client of a server that answers as told; answers that no healthy service gives. */
async function connect(
  answer: RequestListener,
  idleTimeoutMs = 100,
): Promise<{ client: ObjectClient; requests: string[]; origin: string }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    request.resume();
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = await connectForTest("gs://bucket", { endpoint: origin, idleTimeoutMs });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { client, requests, origin };
}

const thousand = new Uint8Array(1000);
// Literal: CRC-32C of a thousand zeros.
const CHECKSUM = "crc32c=2E3aVw==,md5=any";

function beginObject(response: ServerResponse, headers: Readonly<Record<string, string | number>>, status = 200): void {
  response.writeHead(status, { "x-goog-hash": CHECKSUM, ...headers });
}

const list = (client: ObjectClient) => client.list("")[Symbol.asyncIterator]().next();
const network = { kind: "network", retryable: true };

describe("gcs: answers that go wrong", () => {
  it("reads what is right", async () => {
    const { client } = await connect((_, response) => {
      beginObject(response, { "content-length": 1000 });
      response.end(thousand);
    });
    expect(await client.get("key")).toEqual(thousand);
  });

  it("rejects a body that is cut off, and never returns a part of it", async () => {
    const { client, requests } = await connect((_, response) => {
      beginObject(response, { "content-length": 1000 });
      response.write(thousand.subarray(0, 400), () => response.destroy());
    });
    expect(await rejectionOf(client.get("key"))).toMatchObject(network);
    expect(await rejectionOf(client.get("key", { range: { offset: 0, length: 1000 } }))).toMatchObject(network);
    expect(requests).toHaveLength(2);
  });

  it("rejects a whole object that is shorter than what was stored, though it ends as it should", async () => {
    const { client } = await connect((_, response) => {
      beginObject(response, { "content-length": 400 });
      response.end(thousand.subarray(0, 400));
    });
    expect(await rejectionOf(client.get("key"))).toMatchObject({ kind: "io", retryable: true });
  });

  it.each([
    ["the whole object", 200, { "content-length": 1000 }],
    ["another place", 206, { "content-length": 10, "content-range": "bytes 0-9/1000" }],
    ["less than there is", 206, { "content-length": 5, "content-range": "bytes 100-104/1000" }],
    ["more than it says", 206, { "content-length": 1000, "content-range": "bytes 100-109/2000" }],
    ["more than was asked for", 206, { "content-length": 1000, "content-range": "bytes 100-1099/2000" }],
    ["a place that is no place", 206, { "content-length": 10, "content-range": "bytes x" }],
  ])("rejects %s in place of a range", async (_title, status, headers) => {
    const { client } = await connect((_, response) => {
      beginObject(response, headers, status);
      response.end(thousand.subarray(0, headers["content-length"]));
    });
    expect(await rejectionOf(client.get("key", { range: { offset: 100, length: 10 } }))).toMatchObject(network);
  });

  it("takes an answer that breaks off for no answer, whatever its status says", async () => {
    for (const status of [200, 308, 400, 403, 404, 412, 416]) {
      const { client } = await connect((_, response) => {
        response.writeHead(status, { "content-type": "application/json", "content-length": 1000 });
        response.write("No such object: bucket/key", () => response.destroy());
      });
      const requests = Object.entries(everyRequest(client));
      for (const [name, request] of requests) {
        expect(await rejectionOf(request()), `${name} ${status}`).toMatchObject(network);
      }
    }
  });

  it("gives up where nothing moves: no answer, a body that stops, a listing that stops", async () => {
    const silent = await connect(() => undefined);
    const timeout = { kind: "timeout", retryable: true };
    expect(await rejectionOf(silent.client.get("key"))).toMatchObject(timeout);
    expect(await rejectionOf(silent.client.put("key", thousand))).toMatchObject(timeout);
    expect(silent.requests).toHaveLength(2);
    const stopping = await connect((_, response) => {
      beginObject(response, { "content-length": 1000 });
      response.write('{"kind": "storage#objects"');
    });
    expect(await rejectionOf(stopping.client.get("key"))).toMatchObject(timeout);
    expect(await rejectionOf(list(stopping.client))).toMatchObject(timeout);
  });

  it("takes a page of somebody else for no answer, whatever was asked", async () => {
    const { client } = await connect((_, response) => {
      response.writeHead(200, { "content-type": "text/html" });
      response.end("<html>Please sign in to this network</html>");
    });
    // A delete has no answer that could be checked.
    const { delete: _delete, abort: _abort, ...rest } = everyRequest(client);
    for (const [name, request] of Object.entries(rest)) {
      expect(await rejectionOf(request()), name).toMatchObject(network);
    }
  });

  it("takes no answer of a listing for an empty one unless it says that it is one", async () => {
    const { client } = await connect((_, response) => response.end("{}"));
    expect(await rejectionOf(list(client))).toMatchObject(network);
  });

  it("hears no more of an answer that has no end", async () => {
    const closed = Promise.withResolvers<void>();
    const { client } = await connect((_, response) => {
      beginObject(response, { "content-range": "bytes 0-9/1000" }, 206);
      const goOn = (): void => {
        if (!response.destroyed) response.write(thousand, () => setImmediate(goOn));
      };
      response.once("close", closed.resolve);
      goOn();
    });
    expect(await rejectionOf(client.get("key", { range: { offset: 0, length: 10 } }))).toMatchObject(network);
    await closed.promise;
  });

  it("takes nothing for absent but what the service calls so, and shows nothing of another's page", async () => {
    for (const status of [403, 404]) {
      const { client } = await connect((_, response) => {
        response.writeHead(status);
        response.end("authorization: canary");
      });
      const { held: _held, abort: _abort, ...rest } = everyRequest(client);
      for (const [name, request] of Object.entries(rest)) {
        const error = await rejectionOf(request());
        expect(error, name).toMatchObject({ kind: status === 404 ? "not-found" : "permission", retryable: false });
        expect(error.message, name).not.toContain("canary");
      }
    }
  });

  it("follows nobody to another host", async () => {
    const other = await connect((_, response) => response.end());
    const { client } = await connect((_, response) => {
      response.writeHead(307, { location: `${other.origin}/` });
      response.end();
    });
    for (const [name, request] of Object.entries(everyRequest(client))) {
      expect(await rejectionOf(request()), name).toMatchObject({ code: "VARVE_STORE", retryable: false });
    }
    expect(other.requests).toEqual([]);
  });

  it("rejects at once when it is aborted, whatever the server does, and lets go of the connection", async () => {
    let closed = 0;
    const { client, requests } = await connect((_, response) => {
      response.once("close", () => (closed += 1));
    }, 600_000);
    for (const request of [
      (signal: AbortSignal) => client.put("key", thousand, { signal }),
      (signal: AbortSignal) => client.get("key", { signal }),
      (signal: AbortSignal) => client.list("", { signal })[Symbol.asyncIterator]().next(),
    ]) {
      const controller = new AbortController();
      const before = requests.length;
      const answer = request(controller.signal);
      await expect.poll(() => requests.length, { interval: 5 }).toBeGreaterThan(before);
      controller.abort();
      expect(await rejectionOf(answer)).toMatchObject({ kind: "aborted", retryable: false });
      await expect.poll(() => closed, { interval: 5 }).toBe(requests.length);
    }
  });
});
