import { once } from "node:events";
import { createServer, request as requestHttp } from "node:http";
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
