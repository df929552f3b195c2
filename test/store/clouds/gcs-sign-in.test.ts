import { once } from "node:events";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openAccess } from "../../../src/store/gcs/gcs-access.ts";
import { connectGcs } from "../../../src/store/gcs/gcs-client.ts";
import { createIdleAgents } from "../../../src/store/idle-agent.ts";
import { type CloudOptions, parseObjectUrl } from "../../../src/store/object-url.ts";

/** A storage service that wants a token, and the token service that gives one, as one server. */
interface Services {
  readonly endpoint: string;
  /** Credentials of another provider's identity: the one kind that names its token service itself. */
  readonly credentialsPath: string;
  /** In order: `sign in`, or the token that an object was asked for with. */
  readonly requests: string[];
  /** What the storage service takes; null for what was given out last. */
  accepted: string | null;
  tokenStatus: number;
}

async function startServices(): Promise<Services> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), "varve-gcs-sign-in-"));
  const credentialsPath = join(folder, "credentials.json");
  let issued = 0;
  const server = createServer((request, response) => {
    request.resume();
    if (request.url === "/token") {
      services.requests.push("sign in");
      const token = { access_token: `canary-token-${++issued}`, token_type: "Bearer", expires_in: 3600 };
      answer(response, services.tokenStatus, { ...token, issued_token_type: "any" });
    } else serveObject(request, response);
  });
  const serveObject = ({ headers }: IncomingMessage, response: ServerResponse): void => {
    const token = headers.authorization?.replace("Bearer ", "") ?? "none";
    services.requests.push(token);
    if (token === (services.accepted ?? `canary-token-${issued}`)) answer(response, 200, { name: "key", size: "3" });
    else answer(response, 401, { error: { code: 401, message: `no ${token}`, errors: [{ reason: "authError" }] } });
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const services: Services = { endpoint, credentialsPath, requests: [], accepted: null, tokenStatus: 200 };
  await writeFile(join(folder, "subject"), "canary-subject");
  const credentials = {
    type: "external_account",
    audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/any",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: `${endpoint}/token`,
    credential_source: { file: join(folder, "subject") },
  };
  await writeFile(credentialsPath, JSON.stringify(credentials));
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  return services;
}

/** In place of a status: nothing is answered. */
const SILENT = 0;

function answer(response: ServerResponse, status: number, body: object): void {
  if (status === SILENT) return;
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function connect({ endpoint, credentialsPath }: Services, options: CloudOptions = {}) {
  const place = parseObjectUrl("gs://bucket", { endpoint, credentialsPath, ...options });
  const client = await connectGcs(place);
  onTestFinished(() => client.close());
  return client;
}

describe("gcs: sign-in", () => {
  it("signs in once, by the file that was given, for all requests; and prints nothing", async () => {
    const printed = vi.spyOn(console, "warn");
    const services = await startServices();
    const client = await connect(services);
    await client.head("key");
    await Promise.all([client.head("key"), client.head("key")]);
    expect(services.requests).toEqual(["sign in", "canary-token-1", "canary-token-1", "canary-token-1"]);
    expect(printed).not.toHaveBeenCalled();
  });

  it("signs in anew, once for all, where a token ends before its time", async () => {
    const services = await startServices();
    const client = await connect(services);
    await client.head("key");
    services.accepted = "canary-token-2";
    services.requests.length = 0;
    await Promise.all([client.head("key"), client.head("key"), client.head("key")]);
    expect(services.requests.filter((request) => request === "sign in")).toHaveLength(1);
    expect(services.requests.filter((request) => request === "canary-token-2")).toHaveLength(3);
  });

  it("says that it may not where a new token is refused too, and gets in when that is over", async () => {
    const services = await startServices();
    const client = await connect(services);
    services.accepted = "another";
    const error = await client.head("key").catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: "VARVE_STORE", kind: "permission", retryable: false });
    expect(services.requests).toEqual(["sign in", "canary-token-1", "sign in", "canary-token-2"]);
    expect(inspect([error, client], { depth: 12, showHidden: true, getters: true })).not.toContain("canary");
    services.accepted = null;
    expect(await client.head("key")).toMatchObject({ sizeBytes: 3 });
  });

  it("tells credentials that are refused from a token service that is away for a while", async () => {
    const services = await startServices();
    services.tokenStatus = 400;
    const refused = await (await connect(services)).head("key").catch((thrown: unknown) => thrown as Error);
    expect(refused).toMatchObject({ kind: "permission", retryable: false, hint: expect.stringContaining("gcloud") });
    services.tokenStatus = 503;
    const away = await (await connect(services, { idleTimeoutMs: 200 }))
      .head("key")
      .catch((thrown: unknown) => thrown as Error);
    // The SDK asks a few times more; which comes first, its last answer or the time, is all the same.
    expect(away).toMatchObject({ code: "VARVE_STORE", retryable: true });
    expect(inspect([refused, away], { depth: 12, showHidden: true, getters: true })).not.toContain("canary");
  });

  it("waits no longer than for an idle connection for a token that does not come, and asks again", async () => {
    const services = await startServices();
    services.tokenStatus = SILENT;
    const client = await connect(services, { idleTimeoutMs: 100 });
    await expect(client.head("key")).rejects.toMatchObject({ kind: "timeout", retryable: true });
    services.tokenStatus = 200;
    expect(await client.head("key")).toMatchObject({ sizeBytes: 3 });
  });

  it("says that no credentials let one in where their file is missing", async () => {
    const services = await startServices();
    const client = await connect(services, { credentialsPath: `${services.credentialsPath}.gone` });
    await expect(client.head("key")).rejects.toMatchObject({ kind: "permission", retryable: false });
    expect(services.requests).toEqual([]);
  });

  it("bills the project that was given, and no other", async () => {
    const services = await startServices();
    const access = (options: CloudOptions) => {
      const agents = createIdleAgents(1000);
      onTestFinished(() => agents.close());
      return openAccess(parseObjectUrl("gs://bucket", { ...services, ...options }), agents).authorize();
    };
    expect(await access({ project: "team-1" })).toMatchObject({ "x-goog-user-project": "team-1" });
    expect(await access({})).not.toHaveProperty("x-goog-user-project");
  });
});

describe("gcs: who is shown credentials", () => {
  const signsIn = async (services: Services, endpoint: string, isFileGiven: boolean): Promise<boolean> => {
    const { credentialsPath } = services;
    if (!isFileGiven) vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", credentialsPath);
    onTestFinished(() => void vi.unstubAllEnvs());
    const agents = createIdleAgents(1000);
    onTestFinished(() => agents.close());
    const options = { ...(endpoint !== "" && { endpoint }), ...(isFileGiven && { credentialsPath }) };
    const headers = await openAccess(parseObjectUrl("gs://bucket", options), agents).authorize();
    return headers["authorization"] !== undefined;
  };

  it.each([
    ["", false, true],
    ["https://storage.europe-west3.rep.googleapis.com", false, true],
    ["https://storage-team.p.googleapis.com", false, true],
    ["http://storage.googleapis.com.example.org", false, false],
    ["https://googleapis.com.example.org", false, false],
    ["http://127.0.0.1:9", false, false],
    ["https://storage.example.org", true, true],
    ["http://127.0.0.1:9", true, true],
    ["http://storage.example.org", true, false],
  ])("endpoint %j, with a file of its own: %j. Signs in: %j", async (endpoint, isFileGiven, expected) => {
    const services = await startServices();
    expect(await signsIn(services, endpoint, isFileGiven)).toBe(expected);
    // Neither gcloud nor an API that lists projects was asked: that would have failed here.
    expect(services.requests).toEqual(expected ? ["sign in"] : []);
  });
});
