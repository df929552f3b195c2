import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { connectForTest, everyRequest, rejectionOf } from "./s3-every-request.ts";

beforeAll(() => {
  process.env["AWS_ACCESS_KEY_ID"] ??= "any";
  process.env["AWS_SECRET_ACCESS_KEY"] ??= "any";
});

/** A client of a server that answers as told; answers that no healthy service gives. */
async function connect(
  answer: RequestListener,
  idleTimeoutMs = 10_000,
): Promise<{ client: ObjectClient; requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    request.resume();
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = await connectForTest("s3://bucket", { endpoint: `http://127.0.0.1:${port}`, idleTimeoutMs });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { client, requests };
}

const thousand = new Uint8Array(1000);

function beginObject(response: ServerResponse, headers: Readonly<Record<string, string | number>>, status = 200): void {
  response.writeHead(status, { etag: '"1"', "last-modified": new Date(0).toUTCString(), ...headers });
}

describe("s3: answers that go wrong", () => {
  it("rejects a body that is cut off, and never returns a part of it", async () => {
    const { client, requests } = await connect((_, response) => {
      beginObject(response, { "content-length": 1000 });
      response.write(thousand.subarray(0, 400), () => response.destroy());
    });
    const network = { kind: "network", retryable: true };
    expect(await rejectionOf(client.get("key"))).toMatchObject(network);
    expect(await rejectionOf(client.get("key", { range: { offset: 0, length: 1000 } }))).toMatchObject(network);
    expect(requests).toHaveLength(2);
  });

  it("rejects a body that is shorter than the range that it says it is", async () => {
    const { client } = await connect((_, response) => {
      beginObject(response, { "transfer-encoding": "chunked", "content-range": "bytes 0-9/1000" }, 206);
      response.end(thousand.subarray(0, 5));
    });
    const error = await rejectionOf(client.get("key", { range: { offset: 0, length: 10 } }));
    expect(error).toMatchObject({ kind: "network", retryable: true });
  });

  it("rejects a body of which nobody can tell where it ends", async () => {
    const { client } = await connect((_, response) => {
      beginObject(response, { "transfer-encoding": "chunked" });
      response.end(thousand);
    });
    expect(await rejectionOf(client.get("key"))).toMatchObject({ kind: "network" });
  });

  it("reads a body that is larger than what it takes at once", async () => {
    const large = Buffer.alloc(65 * 1024 * 1024, "varve");
    const { client } = await connect((_, response) => {
      beginObject(response, { "content-length": large.length });
      response.end(large);
    });
    const got = await client.get("key");
    expect(got !== null && Buffer.compare(got, large) === 0).toBe(true);
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
    const error = await rejectionOf(client.get("key", { range: { offset: 100, length: 10 } }));
    expect(error).toMatchObject({ code: "VARVE_STORE", retryable: false });
  });

  it("takes an answer that breaks off for no answer, whatever its status says", async () => {
    for (const status of [200, 400, 403, 404, 412, 416]) {
      const { client } = await connect((_, response) => {
        response.writeHead(status, { "content-type": "application/xml", "content-length": 1000 });
        response.write("<?xml version='1.0'?><Error><Code>NoSuchKey</Code>", () => response.destroy());
      });
      for (const request of [
        () => client.get("key"),
        () => client.list("")[Symbol.asyncIterator]().next(),
        () => client.put("key", thousand, { ifAbsent: true }),
      ]) {
        expect(await rejectionOf(request()), String(status)).toMatchObject({ kind: "network", retryable: true });
      }
    }
  });

  it("gives up where nothing moves: no answer, a body that stops, a listing that stops", async () => {
    const silent = await connect(() => undefined, 100);
    const timeout = { kind: "timeout", retryable: true };
    expect(await rejectionOf(silent.client.get("key"))).toMatchObject(timeout);
    expect(await rejectionOf(silent.client.put("key", thousand))).toMatchObject(timeout);
    expect(silent.requests).toHaveLength(2);
    const stopping = await connect((_, response) => {
      beginObject(response, { "content-length": 1000 });
      response.write("<?xml version='1.0'?>");
    }, 100);
    expect(await rejectionOf(stopping.client.get("key"))).toMatchObject(timeout);
    expect(await rejectionOf(stopping.client.list("")[Symbol.asyncIterator]().next())).toMatchObject(timeout);
  });

  it("takes a page of somebody else for no answer, whatever was asked", async () => {
    const { client } = await connect((_, response) => {
      const page = "<html>Please sign in to this network</html>";
      response.writeHead(200, { "content-type": "text/html", "content-length": page.length });
      response.end(page);
    });
    // A delete has no answer that could be checked.
    const { delete: _delete, abort: _abort, ...rest } = everyRequest(client);
    for (const [name, request] of Object.entries(rest)) {
      expect(await rejectionOf(request()), name).toMatchObject({ kind: "network", retryable: true });
    }
  });

  it("takes nothing for absent but what the service calls so, and shows nothing of another's page", async () => {
    for (const status of [403, 404]) {
      const { client } = await connect((_, response) => {
        response.writeHead(status);
        response.end("string to sign: canary");
      });
      for (const [name, request] of Object.entries(everyRequest(client))) {
        const error = await rejectionOf(request());
        expect(error, name).toMatchObject({ kind: status === 404 ? "not-found" : "permission", retryable: false });
        expect(error.message, name).not.toContain("canary");
      }
    }
  });

  it("is not complete where the service says so after it said 200", async () => {
    const { client } = await connect(({ method }, response) => {
      response.writeHead(200, { "content-type": "application/xml" });
      if (method === "GET") {
        const part = "<Part><PartNumber>1</PartNumber><ETag>x</ETag><Size>7</Size></Part>";
        response.end(`<ListPartsResult><IsTruncated>false</IsTruncated>${part}</ListPartsResult>`);
      } else
        response.end("<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>");
    });
    const { complete } = everyRequest(client);
    expect(await rejectionOf(complete?.() ?? Promise.resolve())).toMatchObject({ kind: "busy", retryable: true });
  });

  it("lists no part of a listing for the whole", async () => {
    const { client } = await connect((_, response) => {
      response.writeHead(200, { "content-type": "application/xml" });
      response.end("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>");
    });
    const error = await rejectionOf(Array.fromAsync(client.list("")));
    expect(error).toMatchObject({ kind: "unsupported", retryable: false });
  });

  it("rejects at once when it is aborted, whatever the server does", async () => {
    const { client, requests } = await connect(() => undefined);
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
    }
  });
});
