import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { StoreError } from "../../src/errors.ts";
import { type CheckpointEvent, Checkpointer, type Store } from "../../src/index.ts";
import { openStore } from "../../src/store/open-store.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { folderWith, QUICK, startVarve } from "../../test/cli/run-varve.ts";
import { type AzureCloud, startAzureCloud } from "../../test/servers/azure/azure-cloud.ts";
import { type ChaosFault, type ChaosProxy, startChaosProxy } from "../../test/servers/chaos-proxy.ts";
import { type S3Cloud, startS3Cloud } from "../../test/servers/s3/s3-cloud.ts";

const REPEAT = "repeat: npm run test:faults -- test-faults/processes/secrets";

const SECRET = "canary/9f+8e7d6c5b4a39281706f5e4d3c2b1a0";

const FAULTS: readonly ChaosFault[] = [
  { kind: "refused" },
  { kind: "request reset", atByte: 5 },
  { kind: "request bit flipped", atByte: 5 },
  ...[400, 401, 403, 404, 409, 412, 429, 500, 503].map((status): ChaosFault => ({ kind: "status", status })),
  { kind: "answer lost" },
  { kind: "answer reset", atByte: 0 },
  { kind: "answer truncated", atByte: 1 },
  { kind: "answer bit flipped", atByte: 1 },
];

let s3: S3Cloud;
let azure: AzureCloud;
let before: string | undefined;
beforeAll(async () => {
  before = process.env["AWS_SECRET_ACCESS_KEY"];
  process.env["AWS_SECRET_ACCESS_KEY"] = SECRET;
  [s3, azure] = await Promise.all([startS3Cloud(), startAzureCloud()]);
});
afterAll(async () => {
  if (before === undefined) delete process.env["AWS_SECRET_ACCESS_KEY"];
  else process.env["AWS_SECRET_ACCESS_KEY"] = before;
  await Promise.all([s3.close(), azure.close()]);
});

/** A secret as it may be written: as it is, in a URL, in base64. */
function spellings(secret: string): string[] {
  return [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString("base64"),
    JSON.stringify(secret).slice(1, -1),
  ];
}

/** Which spelling of a secret is in what was told; null for none. */
function leakIn(told: string, secret: string): string | null {
  return spellings(secret).find((spelling) => told.includes(spelling)) ?? null;
}

function everything(value: unknown): string {
  return inspect(value, { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null });
}

/** Planted bugs: who tells the secret, through what a user of Varve may hand in. */
interface Leak {
  readonly state?: unknown;
  readonly log?: string;
  readonly store?: (store: Store) => Store;
}

/** All that a run says and stores while every request meets the fault, and once the store is well again. */
async function toldBy(
  fault: ChaosFault,
  proxy: ChaosProxy,
  url: string,
  options: object,
  leak: Leak = {},
): Promise<string> {
  const events: unknown[] = [];
  const opened = await openStore(url, options as Record<string, unknown>);
  const store = leak.store?.(opened) ?? opened;
  const told: unknown[] = [events, opened];
  proxy.always(() => fault);
  // Without end it would be tried for minutes: what is told does not depend on how often.
  const retry = { attempts: 2, baseDelayMs: 1, maxDelayMs: 1 };
  const open = (): Promise<Checkpointer> => Checkpointer.open({ store, closeTimeoutMs: 1000, retry, log });
  const log = (event: CheckpointEvent): void => void events.push(leak.log ?? event);
  try {
    const failed = await open().catch((error: unknown) => (told.push(error), null));
    proxy.always(null);
    const run = failed ?? (await open());
    if (failed !== null) proxy.always(() => fault);
    const save = run.save({ step: 1, state: { a: 1 } });
    told.push(await save.committed.catch((error: unknown) => error));
    proxy.always(null);
    told.push(
      await run.save({ step: 2, state: leak.state ?? { a: 2 } }).committed.catch((error: unknown) => error),
      run.status(),
    );
    await run.close();
  } finally {
    proxy.always(null);
  }
  for await (const { name } of store.list(""))
    told.push(name, Buffer.from((await store.get(name)) ?? []).toString("latin1"));
  return everything(told);
}

const leaks: Readonly<Record<string, Leak>> = {
  "a manifest": { state: { note: SECRET } },
  "a line of the log": { log: `signed with ${Buffer.from(SECRET).toString("base64")}` },
  "an error": {
    store: (store) => {
      // Not in a query: what looks like a signature is taken out of every error.
      const denied = (name: string): StoreError => new StoreError("permission", "put", name, `HTTP 403: ${SECRET}`);
      const faulty = withFaults(store);
      faulty.faults.add({ kind: "reject", method: "put", name: /^checkpoints/, error: (_, name) => denied(name) });
      return faulty;
    },
  },
};

describe("a secret is in no error, event, status, manifest or name of an object", () => {
  for (const provider of ["s3", "azure"] as const) {
    it(`of ${provider}, whatever goes wrong`, async () => {
      const cloud = provider === "s3" ? s3 : azure;
      const secret = provider === "s3" ? SECRET : azure.accountKey;
      const proxy = await startChaosProxy(cloud.port);
      let points = 0;
      const startedAt = performance.now();
      for (const fault of FAULTS) {
        const url = cloud.newUrl();
        const told = await toldBy(fault, proxy, url, cloud.options(proxy.port));
        // What is told is looked at, or nothing could be found in it.
        expect([told.includes(url), told.includes("varve-manifest")], REPEAT).toEqual([true, true]);
        expect(leakIn(told, secret), `${JSON.stringify(fault)}; ${REPEAT}`).toBeNull();
        points++;
      }
      await proxy.close();
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      console.log(`SUMMARY secrets of ${provider}: ${points} faults, ${seconds} s, 0 skipped, no seed: all of them`);
    });
  }

  it.each(Object.keys(leaks))("planted bug is caught: it is in %s", async (where) => {
    const proxy = await startChaosProxy(s3.port);
    onTestFinished(() => proxy.close());
    const told = await toldBy(
      { kind: "status", status: 403 },
      proxy,
      s3.newUrl(),
      s3.options(proxy.port),
      leaks[where],
    );
    expect(leakIn(told, SECRET)).not.toBeNull();
  });

  it("of a trainer's environment: not in its output, its arguments or its files", async () => {
    const cwd = folderWith(QUICK);
    s3.onRequest = ({ kind, key }) => (kind === "put" && key.includes("/packs/") ? { status: 403 } : null);
    const env = { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${s3.port}`, AWS_REGION: "us-east-1", VARVE_DEBUG: "1" };
    const run = startVarve(["train", "--generations", "3", "--store", s3.newUrl(), "--local", "first"], { cwd, env });
    await run.saw("takes no checkpoints");
    const { pid } = run.child;
    const argv = process.platform === "linux" ? readFileSync(`/proc/${pid}/cmdline`, "latin1") : "";
    const { stdout, stderr } = await run.finished;
    s3.onRequest = null;
    const files = readdirSync(cwd, { recursive: true, encoding: "utf8" })
      .map((name) => join(cwd, name))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path, "latin1"));
    expect(files.length).toBeGreaterThan(3);
    expect(leakIn([argv, stdout, stderr, ...files].join("\n"), SECRET), REPEAT).toBeNull();
  });
});
