import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What goes wrong with one request. Bytes are counted in bodies, from 0. */
export type ChaosFault =
  /** The connection is reset before the request is read. */
  | { readonly kind: "refused" }
  /** The connection is reset while the request's body comes; the server never sees all of it. */
  | { readonly kind: "request reset"; readonly atByte: number }
  /** Nothing is read any more from here on. */
  | { readonly kind: "request stalled"; readonly atByte: number }
  /** A pause after each part of the request's body that was read: a line that is slow, and never stands still. */
  | { readonly kind: "request slow"; readonly pauseMs: number }
  /** The server gets another byte than was sent. */
  | { readonly kind: "request bit flipped"; readonly atByte: number }
  /** Answered without asking the server. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly retryAfter?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** The server did what it was asked; its answer is never seen. */
  | { readonly kind: "answer lost" }
  | { readonly kind: "answer reset"; readonly atByte: number }
  /** Ends in an orderly way, and too early. */
  | { readonly kind: "answer truncated"; readonly atByte: number }
  | { readonly kind: "answer stalled"; readonly atByte: number }
  | { readonly kind: "answer bit flipped"; readonly atByte: number }
  /** The answer takes its time to begin. */
  | { readonly kind: "slow"; readonly delayMs: number }
  /** The answer comes in so many parts, with a pause before each: slow, and never standing still. */
  | { readonly kind: "answer trickles"; readonly parts: number; readonly pauseMs: number };

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
}

/** Stands between a client and a server on this machine and breaks requests as planned, each fault once. */
export interface ChaosProxy {
  readonly port: number;
  /** Since the last `plan`. */
  readonly seen: readonly SeenRequest[];
  /** How many faults did something to a request; there must be a byte to flip. */
  readonly met: number;
  /** Whether what was planned last still waits for its request. */
  readonly isPending: boolean;
  /** The request that is the `nth` from now on, 0 for the next, meets the fault; null for none of them. */
  plan(fault: ChaosFault | null, nth?: number): void;
  /** Every request from now on meets what is answered for it; null to end that. */
  always(choose: ((request: SeenRequest) => ChaosFault | null) | null): void;
  close(): Promise<void>;
}

export async function startChaosProxy(targetPort: number): Promise<ChaosProxy> {
  const seen: SeenRequest[] = [];
  let planned: { fault: ChaosFault; nth: number } | null = null;
  let choose: ((request: SeenRequest) => ChaosFault | null) | null = null;
  let met = 0;
  const server = createServer({ keepAliveTimeout: 0 }, (incoming, answer) => {
    const seenNow = { method: incoming.method ?? "", path: incoming.url ?? "" };
    seen.push(seenNow);
    let fault = choose?.(seenNow) ?? null;
    if (planned !== null && seen.length - 1 === planned.nth) {
      fault = planned.fault;
      planned = null;
    }
    void handle(incoming, answer, targetPort, fault, () => met++);
  });
  // A client's own resets are part of the game.
  server.on("clientError", (_error, socket) => socket.destroy());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    get met() {
      return met;
    },
    get isPending() {
      return planned !== null;
    },
    plan: (fault, nth = 0) => {
      seen.length = 0;
      planned = fault && { fault, nth };
    },
    always: (next) => {
      choose = next;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function handle(
  incoming: IncomingMessage,
  answer: ServerResponse,
  port: number,
  fault: ChaosFault | null,
  onMet: () => void,
): Promise<void> {
  if (fault !== null && !fault.kind.endsWith("bit flipped")) onMet();
  if (fault?.kind === "refused") {
    incoming.socket.resetAndDestroy();
    return;
  }
  const body = await readBody(incoming, fault);
  if (body === null) return;
  if (fault?.kind === "request bit flipped" && flipBit(body, fault.atByte)) onMet();
  if (fault?.kind === "slow") await sleep(fault.delayMs);
  if (fault?.kind === "status") {
    const { status, retryAfter, headers, body: text = "" } = fault;
    const wish = retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
    answer.writeHead(status, { ...headers, ...wish }).end(text);
    return;
  }
  forward(incoming, answer, port, body, fault, onMet);
}

/** Null where the request never arrives whole. */
async function readBody(incoming: IncomingMessage, fault: ChaosFault | null): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  const stop = fault?.kind === "request reset" || fault?.kind === "request stalled" ? fault : null;
  if (stop?.atByte === 0) return stopReading(incoming, stop.kind);
  try {
    for await (const chunk of incoming) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (fault?.kind === "request slow") await sleep(fault.pauseMs);
      if (stop !== null && size >= stop.atByte) return stopReading(incoming, stop.kind);
    }
  } catch {
    // The client gave up: there is nobody left to answer.
    return null;
  }
  if (stop !== null) return stopReading(incoming, stop.kind);
  return Buffer.concat(chunks);
}

function stopReading(incoming: IncomingMessage, kind: "request reset" | "request stalled"): null {
  if (kind === "request reset") incoming.socket.resetAndDestroy();
  else incoming.pause();
  return null;
}

function forward(
  incoming: IncomingMessage,
  answer: ServerResponse,
  port: number,
  body: Buffer,
  fault: ChaosFault | null,
  onMet: () => void,
): void {
  const { method, url, headers } = incoming;
  const { "transfer-encoding": _chunked, expect: _expect, ...rest } = headers;
  const length = method === "GET" || method === "HEAD" ? {} : { "content-length": String(body.length) };
  const onward = request({ host: "127.0.0.1", port, method, path: url, headers: { ...rest, ...length } });
  onward.on("error", () => incoming.socket.destroy());
  onward.on("response", (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => {
      const answered = Buffer.concat(chunks);
      if (fault?.kind === "answer bit flipped" && flipBit(answered, fault.atByte)) onMet();
      send(answer, response, answered, method === "HEAD", fault);
    });
  });
  onward.end(body);
}

function send(
  answer: ServerResponse,
  { statusCode = 502, headers }: IncomingMessage,
  body: Buffer,
  isHead: boolean,
  fault: ChaosFault | null,
): void {
  const { socket } = answer;
  if (fault?.kind === "answer lost") {
    socket?.resetAndDestroy();
    return;
  }
  const { "transfer-encoding": _chunked, ...rest } = headers;
  const length = isHead || statusCode === 204 || statusCode === 304 ? {} : { "content-length": String(body.length) };
  const cut =
    fault?.kind === "answer reset" || fault?.kind === "answer truncated" || fault?.kind === "answer stalled"
      ? fault
      : null;
  if (cut === null) {
    answer.writeHead(statusCode, { ...rest, ...length });
    if (fault?.kind === "answer trickles") void trickle(answer, body, fault);
    else answer.end(body);
    return;
  }
  // Without a body to cut, it is the head that never comes whole.
  if (isHead || body.length === 0) {
    if (cut.kind !== "answer stalled") socket?.resetAndDestroy();
    return;
  }
  answer.writeHead(statusCode, { ...rest, ...length });
  answer.write(body.subarray(0, Math.min(cut.atByte, body.length - 1)), () => {
    if (cut.kind === "answer reset") socket?.resetAndDestroy();
    if (cut.kind === "answer truncated") socket?.end();
  });
  answer.flushHeaders();
}

async function trickle(
  answer: ServerResponse,
  body: Buffer,
  { parts, pauseMs }: { readonly parts: number; readonly pauseMs: number },
): Promise<void> {
  const size = Math.max(1, Math.ceil(body.length / parts));
  for (let offset = 0; offset < body.length; offset += size) {
    await sleep(pauseMs);
    answer.write(body.subarray(offset, offset + size));
  }
  answer.end();
}

/** False where the body is shorter: an empty one carries no checksum, and TLS guards it in earnest. */
function flipBit(body: Buffer, atByte: number): boolean {
  if (atByte >= body.length) return false;
  body[atByte] = (body[atByte] as number) ^ 1;
  return true;
}
