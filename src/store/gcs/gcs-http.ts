import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { IdleAgents } from "../idle-agent.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent one after the other, without being copied. */
  readonly body: readonly Uint8Array[];
  /** Of an answer that is a success; more is an error. */
  readonly mostBytes: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

/** Of an answer that is no success: enough for what a service has to say. */
const MOST_ERROR_BYTES = 1024 * 1024;

/** What is allocated on the word of an answer; more than a pack has. What is larger grows as it comes. */
const MOST_UNSEEN_BYTES = 32 * 1024 * 1024;

/**
 * Sends one request and reads the answer to its end. Follows no redirect: credentials go to no other host.
 *
 * @throws Error of the connection, whose `code` is ETIMEDOUT where the idle agents cut it; AbortError
 */
export async function exchange(
  { method, url, headers, body, mostBytes }: HttpRequest,
  agents: IdleAgents,
  signal: AbortSignal | undefined,
): Promise<HttpAnswer> {
  const isSecure = url.protocol === "https:";
  const send = isSecure ? requestHttps : requestHttp;
  const length = body.reduce((sum, part) => sum + part.byteLength, 0);
  const sent = send(url, {
    method,
    agent: isSecure ? agents.https : agents.http,
    headers: { ...headers, ...((length > 0 || method !== "GET") && { "content-length": String(length) }) },
    ...(signal && { signal }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  // An error after the answer has begun belongs to the rest of the request, which is of no use any more.
  sent.once("response", resolve).on("error", reject);
  for (const part of body) sent.write(part);
  sent.end();
  try {
    const response = await promise;
    const { statusCode: status = 0, headers: found } = response;
    return { status, headers: found, body: await readBody(response, status < 300 ? mostBytes : MOST_ERROR_BYTES) };
  } catch (error) {
    // A body that broke off says only that it did; its connection knows why.
    throw sent.socket?.errored ?? error;
  }
}

/** In memory of its own, which is taken once where the answer tells its length. */
async function readBody(response: IncomingMessage, mostBytes: number): Promise<Uint8Array> {
  const announcedBytes = Number(response.headers["content-length"] ?? 0);
  let whole = new Uint8Array(Math.min(announcedBytes, mostBytes, MOST_UNSEEN_BYTES));
  let size = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    const end = size + chunk.byteLength;
    if (end > mostBytes) throw new Error("more bytes arrived than were asked for");
    if (end > whole.byteLength) {
      const larger = new Uint8Array(Math.max(end, 2 * whole.byteLength));
      larger.set(whole.subarray(0, size));
      whole = larger;
    }
    whole.set(chunk, size);
    size = end;
  }
  return size === whole.byteLength ? whole : whole.slice(0, size);
}
