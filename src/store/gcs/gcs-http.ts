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

async function readBody(response: IncomingMessage, mostBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > mostBytes) throw new Error("more bytes arrived than were asked for");
    chunks.push(chunk);
  }
  // In memory of its own: a Buffer may share its with others.
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}
