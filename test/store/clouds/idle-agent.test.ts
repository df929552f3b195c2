import { once } from "node:events";
import { createServer, type IncomingMessage, request as requestHttp, type ServerResponse } from "node:http";
import { createServer as createSecureServer, request as requestHttps } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { systemSleep } from "../../../src/base/timers.ts";
import { createIdleAgents, type IdleAgents } from "../../../src/store/idle-agent.ts";
import { selfSigned } from "../../servers/self-signed.ts";

/** More than the buffers of the operating system between two processes take at once. */
const BIG_BYTES = 32 * 1024 * 1024;

/** A server that reads slowly, or no more than the first. @param pauseMs - after each part */
async function startReader(isSecure: boolean, pauseMs = 2): Promise<number> {
  const read = async (incoming: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const _ of incoming) await systemSleep(pauseMs);
  };
  const server = isSecure ? createSecureServer(selfSigned("127.0.0.1")) : createServer();
  server.on("request", (incoming, answer) => void read(incoming).then(() => answer.end()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function send(agents: IdleAgents, port: number, isSecure: boolean): Promise<void> {
  const options = { port, host: "127.0.0.1", method: "PUT", headers: { "content-length": BIG_BYTES } };
  const sent = isSecure
    ? requestHttps({ ...options, agent: agents.https, rejectUnauthorized: false })
    : requestHttp({ ...options, agent: agents.http });
  sent.end(new Uint8Array(BIG_BYTES));
  const [answer] = await once(sent, "response");
  answer.resume();
  await once(answer, "end");
}

it.each([
  ["a plain connection", false],
  ["TLS", true],
])("a body that goes out over %s is counted as it goes, and not all of it at once", async (_, isSecure) => {
  const port = await startReader(isSecure);
  const agents = createIdleAgents(60_000);
  onTestFinished(() => agents.close());
  const told: number[] = [];
  const moved: number[] = [];
  const sending = agents.sending(
    BIG_BYTES,
    (bytes) => told.push(bytes),
    () => send(agents, port, isSecure),
  );
  do {
    moved.push(agents.movedBytes());
  } while ((await Promise.race([sending.then(() => "sent"), sleep(20)])) !== "sent");
  for (const steps of [told, moved]) {
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    expect(steps.filter((bytes) => bytes > BIG_BYTES / 4 && bytes < (BIG_BYTES * 3) / 4).length).toBeGreaterThan(1);
  }
  expect(agents.movedBytes()).toBeGreaterThanOrEqual(BIG_BYTES);
});

it.each([
  ["a plain connection", false],
  ["TLS", true],
])("a body that goes out over %s for longer than its time-out is not cut off", async (_, isSecure) => {
  const patienceMs = 800;
  const port = await startReader(isSecure, 6);
  const agents = createIdleAgents(patienceMs);
  onTestFinished(() => agents.close());
  const startedAtMs = performance.now();
  await send(agents, port, isSecure);
  expect(performance.now() - startedAtMs).toBeGreaterThan(patienceMs);
  expect(agents.idleCuts()).toBe(0);
});

it.each([
  ["a plain connection", false],
  ["TLS", true],
])("a body of which nothing goes out any more over %s is cut off", async (_, isSecure) => {
  const port = await startReader(isSecure, Number.POSITIVE_INFINITY);
  const agents = createIdleAgents(300);
  onTestFinished(() => agents.close());
  await expect(send(agents, port, isSecure)).rejects.toMatchObject({ code: "ETIMEDOUT" });
  expect(agents.idleCuts()).toBe(1);
});

it.each([
  ["a plain connection", false],
  ["TLS", true],
])("a request that is answered before its body is out goes on sending no more, over %s", async (_, isSecure) => {
  let arrivedBytes = 0;
  const closed = Promise.withResolvers<void>();
  const server = isSecure ? createSecureServer(selfSigned("127.0.0.1")) : createServer();
  server.on("request", (incoming: IncomingMessage, answer: ServerResponse) => {
    incoming.socket.once("close", closed.resolve);
    incoming.once("data", () => {
      incoming.pause();
      answer.writeHead(401, { "content-length": 0 }).end();
      // Whatever is on its way by then may arrive.
      setTimeout(() => incoming.on("data", ({ length }: Uint8Array) => (arrivedBytes += length)).resume(), 100);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const agents = createIdleAgents(60_000);
  onTestFinished(() => agents.close());
  await send(agents, (server.address() as AddressInfo).port, isSecure);
  await closed.promise;
  expect(arrivedBytes).toBeLessThan(BIG_BYTES / 2);
});

it("a request that is answered after its body keeps its connection for the next", async () => {
  const port = await startReader(false, 0);
  const agents = createIdleAgents(60_000);
  onTestFinished(() => agents.close());
  await send(agents, port, false);
  await new Promise(setImmediate);
  expect(Object.values(agents.http.freeSockets).flat()).toHaveLength(1);
  await send(agents, port, false);
  await new Promise(setImmediate);
  expect(Object.values(agents.http.freeSockets).flat()).toHaveLength(1);
  expect(Object.values(agents.http.sockets).flat()).toHaveLength(0);
});
