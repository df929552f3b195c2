import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer, request } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { systemSleep } from "../../../src/base/timers.ts";
import { createIdleAgents } from "../../../src/store/idle-agent.ts";
import { selfSigned } from "../../servers/self-signed.ts";

const HOST = "slow.test";
/** More than the buffers of the operating system on the way take at once. */
const BIG_BYTES = 32 * 1024 * 1024;
/** Far longer than a busy machine leaves this process alone: 800 ms was not, once. */
const PATIENCE_MS = 2000;
const PAUSE_MS = 12;

const trustedBefore = getCACertificates();
const own = selfSigned("127.0.0.1", HOST);
beforeAll(() => setDefaultCACertificates([...trustedBefore, own.cert]));
afterAll(() => setDefaultCACertificates(trustedBefore));

/** A server that takes a body in slowly. */
async function startTarget(): Promise<number> {
  const takeIn = async (incoming: IncomingMessage, answer: ServerResponse): Promise<void> => {
    for await (const _ of incoming) await systemSleep(PAUSE_MS);
    answer.end();
  };
  // Cut off: the client says what it thinks of that.
  const server = createSecureServer(own, (incoming, answer) => void takeIn(incoming, answer).catch(() => undefined));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A proxy that leads everywhere to one port. */
async function startProxy(scheme: "http" | "https", targetPort: number): Promise<string> {
  const server = scheme === "https" ? createSecureServer(own) : createServer();
  server.on("connect", (_request, socket: Socket) => {
    const onward = connect(targetPort, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      onward.pipe(socket).pipe(onward);
    });
    onward.on("error", () => socket.destroy());
    socket.on("error", () => onward.destroy()).on("close", () => onward.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it.each(["http", "https"] as const)(
  "a body may take its time through a proxy that is reached by %s",
  async (scheme) => {
    const agents = createIdleAgents(PATIENCE_MS, { HTTPS_PROXY: await startProxy(scheme, await startTarget()) });
    onTestFinished(() => agents.close());
    const told: number[] = [];
    const startedAtMs = performance.now();
    await agents.sending(
      BIG_BYTES,
      (count) => told.push(count),
      async () => {
        const headers = { "content-length": BIG_BYTES };
        const sent = request({ host: HOST, port: 443, method: "PUT", headers, agent: agents.https });
        sent.end(new Uint8Array(BIG_BYTES));
        const [answer] = await once(sent, "response");
        answer.resume();
        await once(answer, "end");
      },
    );
    expect(performance.now() - startedAtMs).toBeGreaterThan(PATIENCE_MS);
    expect(told.length).toBeGreaterThan(1);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(agents.movedBytes()).toBeGreaterThan(BIG_BYTES / 2);
  },
);
