import { once } from "node:events";
import { get as getHttps } from "node:https";
import { type AddressInfo, connect as connectTo } from "node:net";
import { createServer, getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { connectAzure } from "../../../src/store/azure/azure-client.ts";
import { connectGcs } from "../../../src/store/gcs/gcs-client.ts";
import { createIdleAgents } from "../../../src/store/idle-agent.ts";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { type CloudOptions, type ObjectPlace, parseObjectUrl } from "../../../src/store/object-url.ts";
import { proxyEnvironment } from "../../../src/store/proxy.ts";
import { connectS3 } from "../../../src/store/s3/s3-client.ts";
import { startAzureCloud } from "../../servers/azure/azure-cloud.ts";
import { type ForwardProxy, startForwardProxy } from "../../servers/forward-proxy.ts";
import { startGcsCloud } from "../../servers/gcs/gcs-cloud.ts";
import type { RunningCloud } from "../../servers/running-cloud.ts";
import { startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import { selfSigned } from "../../servers/self-signed.ts";
import { rejectionOf, shownOf } from "./s3-every-request.ts";

/** That no machine has: only the proxy knows the way. Of Azure it begins with the account. */
const HOST = "varvetest.storage.test";
const IMPATIENT_MS = 200;
const bytes = new Uint8Array(300_000).fill(7);

const PROVIDERS = {
  s3: { start: () => startS3Cloud(), connect: connectS3 },
  gcs: { start: () => startGcsCloud(), connect: connectGcs },
  azure: { start: () => startAzureCloud(), connect: connectAzure },
} as const;

const trustedBefore = getCACertificates();
const own = selfSigned(HOST);
beforeAll(() => setDefaultCACertificates([...trustedBefore, own.cert]));
afterAll(() => setDefaultCACertificates(trustedBefore));

const before = { ...process.env };
let proxy: ForwardProxy;
beforeEach(async () => {
  proxy = await startForwardProxy();
  for (const name of Object.keys(process.env)) if (/_proxy$/i.test(name)) delete process.env[name];
});
afterEach(async () => {
  for (const name of Object.keys(process.env)) if (/_proxy$/i.test(name)) delete process.env[name];
  Object.assign(process.env, before);
  await proxy.close();
});

describe.each(["s3", "gcs", "azure"] as const)("%s: by way of a proxy", (name) => {
  let cloud: RunningCloud;
  let tlsPort: number;
  beforeAll(async () => {
    cloud = await PROVIDERS[name].start();
    tlsPort = await startTlsBefore(cloud.port);
  });
  afterAll(() => cloud.close());

  /** A client of the service under a name that leads there by the proxy alone. */
  async function connect(protocol: "http" | "https", options: CloudOptions = {}): Promise<ObjectClient> {
    const endpoint = `${protocol}://${HOST}:${protocol === "http" ? cloud.port : tlsPort}`;
    const place: ObjectPlace = parseObjectUrl(cloud.newUrl(), { ...cloud.options(), ...options, endpoint });
    const client = await PROVIDERS[name].connect(place);
    onTestFinished(() => client.close());
    return client;
  }

  it.each(["http", "https"] as const)("does all it does over %s, on connections that are kept", async (protocol) => {
    process.env[`${protocol.toUpperCase()}_PROXY`] = proxy.url.replace("//", "//user:se%20cret@");
    const client = await connect(protocol);
    expect(await client.put("key", bytes)).toBe(true);
    expect(await client.put("key", bytes, { ifAbsent: true })).toBe(false);
    expect(await client.get("key")).toEqual(bytes);
    expect(await client.head("key")).toMatchObject({ sizeBytes: bytes.length });
    expect(await client.head("absent")).toBeNull();
    expect(await Array.fromAsync(client.list(""), ({ key }) => key)).toContain("key");
    await client.delete("key");
    expect(await client.get("key")).toBeNull();
    if (protocol === "https") {
      expect(new Set(proxy.requests)).toEqual(new Set([`user:se cret CONNECT ${HOST}:${tlsPort}`]));
      // One of ours may still be reading the answer before when the next one is sent.
      expect(proxy.requests.length).toBeLessThan(4);
    } else {
      const asked = new RegExp(`^user:se cret [A-Z]+ http://${HOST}:${cloud.port}/`);
      expect(proxy.requests.length).toBeGreaterThanOrEqual(8);
      for (const request of proxy.requests) expect(request).toMatch(asked);
    }
  });

  it.each(["http", "https"] as const)(
    "gives up over %s where nothing moves, wherever it stands still",
    async (protocol) => {
      process.env[`${protocol.toLowerCase()}_proxy`] = proxy.url;
      const timeout = { kind: "timeout", retryable: true };
      for (const fault of ["no answer", "no bytes in the tunnel"] as const) {
        if (protocol === "http" && fault === "no bytes in the tunnel") continue;
        proxy.fault = fault;
        const client = await connect(protocol, { idleTimeoutMs: IMPATIENT_MS });
        expect(await rejectionOf(client.put("key", bytes)), fault).toMatchObject(timeout);
        expect(await rejectionOf(client.get("key")), fault).toMatchObject(timeout);
      }
      proxy.fault = null;
      const client = await connect(protocol, { idleTimeoutMs: IMPATIENT_MS });
      await client.put("key", bytes);
      proxy.freeze();
      proxy.fault = "no answer";
      expect(await rejectionOf(client.get("key")), "a connection that was kept").toMatchObject(timeout);
    },
  );

  it("says that it is the proxy that refuses, breaks off or is not there, and shows no password", async () => {
    process.env["HTTPS_PROXY"] = proxy.url.replace("//", "//user:canary@");
    const refused = { kind: "permission", retryable: false, hint: expect.stringContaining("HTTPS_PROXY") };
    const broken = { kind: "network", retryable: true };
    for (const [fault, expected, word] of [
      [{ status: 407 }, refused, "the proxy answered 407"],
      [{ status: 403 }, refused, "the proxy answered 403"],
      [{ status: 502 }, broken, "the proxy answered 502"],
      ["closes", broken, "the proxy closed the connection"],
    ] as const) {
      proxy.fault = fault;
      const error = await rejectionOf((await connect("https")).get("key"));
      expect(error).toMatchObject({ code: "VARVE_STORE", ...expected });
      expect(error.message).toContain(word);
      expect(shownOf(error)).not.toContain("canary");
    }
    process.env["HTTPS_PROXY"] = "http://user:canary@127.0.0.1:1";
    const error = await rejectionOf((await connect("https")).get("key"));
    expect(error).toMatchObject({ code: "VARVE_STORE", ...broken });
    expect(shownOf(error)).not.toContain("canary");
  });

  it.each(["http", "https"] as const)(
    "names the proxy that is not there for %s, without its password",
    async (protocol) => {
      process.env[`${protocol.toUpperCase()}_PROXY`] = "http://user:canary@127.0.0.1:1";
      const error = await rejectionOf((await connect(protocol)).get("key"));
      expect(error).toMatchObject({
        kind: "network",
        hint: expect.stringMatching(new RegExp(`proxy of ${protocol.toUpperCase()}_PROXY \\(127\\.0\\.0\\.1:1\\)`)),
      });
      expect(shownOf(error)).not.toContain("canary");
    },
  );

  it("says that a proxy for plain requests wants a password", async () => {
    process.env["HTTP_PROXY"] = proxy.url;
    proxy.fault = { status: 407 };
    const error = await rejectionOf((await connect("http")).put("key", bytes));
    expect(error).toMatchObject({ kind: "permission", retryable: false, hint: expect.stringContaining("HTTP_PROXY") });
  });

  it("goes past it to this machine, and where NO_PROXY says so", async () => {
    process.env["HTTP_PROXY"] = proxy.url;
    process.env["NO_PROXY"] = "elsewhere.test, .storage.test";
    const straight = await PROVIDERS[name].connect(parseObjectUrl(cloud.newUrl(), cloud.options()));
    onTestFinished(() => straight.close());
    expect(await straight.put("key", bytes)).toBe(true);
    // There is no other way to this name.
    const error = await rejectionOf((await connect("http", { idleTimeoutMs: IMPATIENT_MS })).get("key"));
    expect(error).toMatchObject({ code: "VARVE_STORE", retryable: true });
    expect(proxy.requests).toEqual([]);
  });
});

describe("agents by way of a proxy", () => {
  it.each(["http://user:canary@host:1 2", "http://user:canary%zz@host"])(
    "are refused for %s, without showing a password",
    async (url) => {
      let shown = "";
      try {
        createIdleAgents(1000, { HTTPS_PROXY: url });
      } catch (error) {
        expect(error).toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
        shown = shownOf(error);
      }
      expect(shown).toContain("HTTPS_PROXY");
      expect(shown).not.toContain("canary");
    },
  );

  it("take the names as everybody writes them", () => {
    const noProxy = "localhost,127.0.0.1,::1";
    const none = { HTTP_PROXY: "", HTTPS_PROXY: "", NO_PROXY: noProxy };
    expect(proxyEnvironment({})).toEqual(none);
    expect(proxyEnvironment({ HTTPS_PROXY: "proxy:3128", NO_PROXY: "a,b" })).toEqual({
      ...none,
      HTTPS_PROXY: "http://proxy:3128",
      NO_PROXY: `a,b,${noProxy}`,
    });
    const both = { https_proxy: "https://lower", HTTPS_PROXY: "http://upper", http_proxy: "10.0.0.1/" };
    expect(proxyEnvironment(both)).toEqual({ ...none, HTTPS_PROXY: "https://lower", HTTP_PROXY: "http://10.0.0.1/" });
  });

  it("leave no tunnel half open when they are closed", async () => {
    proxy.fault = "no answer";
    const agents = createIdleAgents(60_000, { HTTPS_PROXY: proxy.url });
    const request = getHttps(`https://${HOST}/`, { agent: agents.https });
    const failed = once(request, "error");
    await expect.poll(() => proxy.requests.length).toBe(1);
    agents.close();
    await failed;
    expect(agents.idleCuts()).toBe(0);
  });
});

/** What ends TLS before a server that has none. */
async function startTlsBefore(port: number): Promise<number> {
  const server = createServer(own, (socket) => {
    const onward = connectTo(port, "127.0.0.1");
    onward.on("error", () => socket.destroy()).on("close", () => socket.destroy());
    socket.on("error", () => onward.destroy()).on("close", () => onward.destroy());
    socket.pipe(onward).pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  afterAll(() => void server.close());
  return (server.address() as AddressInfo).port;
}
