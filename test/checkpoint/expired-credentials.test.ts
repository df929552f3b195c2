import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it, onTestFinished } from "vitest";
import { createMemoryStore } from "../../src/store/memory.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { startAzureCloud } from "../servers/azure/azure-cloud.ts";
import { type ChaosFault, startChaosProxy } from "../servers/chaos-proxy.ts";
import { failure } from "../servers/gcs/gcs-answer.ts";
import { startGcsCloud } from "../servers/gcs/gcs-cloud.ts";
import { errorAnswer } from "../servers/s3/s3-answer.ts";
import { startS3Cloud } from "../servers/s3/s3-cloud.ts";
import { type SessionOfTest, sequencesIn, startSession, stateOf } from "./session-of-test.ts";
import { temporaryFolder } from "./support.ts";

/** A service whose credentials expire, and where a process finds the next ones. */
interface Expiring {
  readonly store: Store;
  /** From now on it takes these only; what others are told is that they have expired. */
  accept(credentials: string): void;
  /** What the machine has from now on. */
  give(credentials: string): Promise<void>;
  /** Requests that were turned away. */
  readonly refused: () => number;
}

const before = { ...process.env };
afterEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
  Object.assign(process.env, before);
});

/** @param status - S3 itself says 400, other servers and RELIABILITY's example 403 */
async function expiringS3(status: number): Promise<Expiring> {
  const cloud = await startS3Cloud();
  onTestFinished(() => cloud.close());
  const file = join(await temporaryFolder(), "credentials");
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
  Object.assign(process.env, { AWS_SHARED_CREDENTIALS_FILE: file, AWS_CONFIG_FILE: "/dev/null" });
  let accepted = "";
  let refused = 0;
  cloud.onRequest = ({ headers }) => {
    if (headers.authorization?.includes(`Credential=${accepted}/`)) return null;
    refused += 1;
    return errorAnswer(status, "ExpiredToken", "The provided token has expired.");
  };
  return {
    store: await openStore(cloud.newUrl(), cloud.options()),
    accept: (key) => {
      accepted = key;
    },
    give: (key) => writeFile(file, `[default]\naws_access_key_id=${key}\naws_secret_access_key=canary\n`),
    refused: () => refused,
  };
}

async function expiringGcs(): Promise<Expiring> {
  const cloud = await startGcsCloud();
  onTestFinished(() => cloud.close());
  let [accepted, given, refused] = ["", "", 0];
  const tokens = createServer((request, response) => {
    request.resume();
    const token = { access_token: given, token_type: "Bearer", expires_in: 3600, issued_token_type: "any" };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(token));
  });
  tokens.listen(0, "127.0.0.1");
  await once(tokens, "listening");
  onTestFinished(() => {
    tokens.closeAllConnections();
    tokens.close();
  });
  const folder = await temporaryFolder();
  const credentialsPath = join(folder, "credentials.json");
  await writeFile(join(folder, "subject"), "subject");
  const identity = {
    type: "external_account",
    audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/any",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`,
    credential_source: { file: join(folder, "subject") },
  };
  await writeFile(credentialsPath, JSON.stringify(identity));
  cloud.onRequest = ({ headers }) => {
    if (headers.authorization === `Bearer ${accepted}`) return null;
    refused += 1;
    return failure(401, "authError", "Invalid Credentials");
  };
  return {
    store: await openStore(cloud.newUrl(), { ...cloud.options(), credentialsPath }),
    accept: (token) => {
      accepted = token;
    },
    give: async (token) => {
      given = token;
    },
    refused: () => refused,
  };
}

/** As the service says it, in a header too: an answer to HEAD has no body. */
function azureFailure(status: number, code: string, message: string): ChaosFault {
  const headers = { "x-ms-error-code": code, "content-type": "application/xml" };
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return { kind: "status", status, headers, body };
}

/** A key or a signature is given once: there is no chain that could have a newer one. */
async function expiringAzure(expired: ChaosFault): Promise<Expiring> {
  const cloud = await startAzureCloud();
  const proxy = await startChaosProxy(cloud.port);
  onTestFinished(async () => {
    await proxy.close();
    await cloud.close();
  });
  let [accepted, refused] = ["", 0];
  proxy.always(() => {
    if (accepted !== "third") return null;
    refused += 1;
    return expired;
  });
  return {
    store: await openStore(cloud.newUrl(), cloud.options(proxy.port)),
    accept: (credentials) => {
      accepted = credentials;
    },
    give: async (credentials) => {
      if (credentials === "third") accepted = "";
    },
    refused: () => refused,
  };
}

async function saved(session: SessionOfTest): Promise<string[]> {
  const sequence = session.save();
  await session.idle();
  return session.fateOf(sequence);
}

/** Lets pauses between tries pass, a second of the session's time after the other, and real requests between them. */
async function passTimeUntil(session: SessionOfTest, condition: () => boolean): Promise<void> {
  for (let second = 0; second < 300 && !condition(); second++) {
    await session.time.advance(1000);
    await sleep(10);
  }
  expect(condition()).toBe(true);
}

it.each([
  ["s3", () => expiringS3(400)],
  ["s3 with 403", () => expiringS3(403)],
  ["gcs", expiringGcs],
  ["azure", () => expiringAzure(azureFailure(403, "AuthenticationFailed", "Signature not valid in the time frame."))],
  [
    "azure with a token",
    () => expiringAzure(azureFailure(401, "ExpiredAuthenticationToken", "The access token has expired.")),
  ],
])(
  "%s: credentials that expire are renewed once, and where that does not help the store has all when it does",
  async (name, start) => {
    const { store, accept, give, refused } = await start();
    await give("first");
    accept("first");
    const session = await startSession({ remote: store, localStore: createMemoryStore() });
    expect(await saved(session)).toEqual(["durable", "committed"]);

    // The chain has newer ones by now.
    await give("second");
    accept("second");
    const renewed = session.save();
    await passTimeUntil(session, () => session.fateOf(renewed).length === 2);
    expect(session.fateOf(renewed)).toEqual(["durable", "committed"]);
    expect(session.told("degraded")).toEqual([]);
    expect(refused()).toBeLessThanOrEqual(name.startsWith("azure") ? 0 : 8);

    // And now it has not.
    const refusedBefore = refused();
    accept("third");
    const kept = [session.save(), session.save()];
    await passTimeUntil(session, () => kept.every((save) => session.fateOf(save).length === 2));
    for (const save of kept) expect(session.fateOf(save)).toEqual(["durable", "commitFailed"]);
    expect(session.told("degraded")).toMatchObject([{ error: { fields: { kind: "permission" } } }]);
    expect(session.status.storeStatus(0)).toMatchObject({ behind: 2, isDegraded: true });
    await session.time.advance(10 * 60_000);
    await session.idle();
    // Renewed once, then asked once after pauses that grow to a minute; S3 asks twice for the reason of a HEAD.
    expect(refused() - refusedBefore).toBeLessThan(70);

    await give("third");
    await session.time.advance(60_000);
    await session.until(() => session.status.get("behind") === 0, "the backlog is not sent");
    await session.idle();
    expect(session.told("recovered")).toHaveLength(1);
    expect(await sequencesIn(store)).toEqual([1, 2, 3, 4]);
    expect(await stateOf(store)).toMatchObject({ isIntact: true });
  },
);
