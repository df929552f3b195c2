import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { DoctorReport } from "../../src/index.ts";
import { runVarve, startVarve, temporaryFolder } from "./run-varve.ts";

const ACCOUNT_KEY = Buffer.from("canary in a key").toString("base64");

/** What lets one in at a server on this port, which need not be there. */
function azureAt(port: number) {
  const endpoint = `BlobEndpoint=http://127.0.0.1:${port}/acct`;
  return { AZURE_STORAGE_CONNECTION_STRING: `AccountName=acct;AccountKey=${ACCOUNT_KEY};${endpoint}` };
}

describe("varve doctor", () => {
  test("prints what it found and a verdict, ends with 0, and leaves nothing", async () => {
    const cwd = temporaryFolder();
    const { code, stdout, stderr } = await runVarve(["doctor", "new-run"], { cwd });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^check +found$/m);
    expect(stdout).toMatch(/^race +ok +Of 8 writers at once exactly one/m);
    expect(stdout).toMatch(/^pieces +skipped +/m);
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/^Good: file:\/\/.*\/new-run does all/);
    expect(existsSync(join(cwd, "new-run"))).toBe(false);
  });

  test("prints one object with --json", async () => {
    const cwd = temporaryFolder();
    mkdirSync(join(cwd, "run"));
    const { code, stdout, stderr } = await runVarve(["doctor", "run", "--json"], { cwd });
    expect([code, stderr]).toEqual([0, ""]);
    const report = JSON.parse(stdout) as DoctorReport;
    expect(report).toMatchObject({ isGood: true, verdict: expect.stringMatching(/^Good/) });
    expect(report.checks.map(({ name }) => name)).toContain("create-if-absent");
    expect(report.measured.putMs).toBeGreaterThan(0);
  });

  test("ends with 1 for a store that fails, each hint once, without the key of the environment", async () => {
    const { code, stdout, stderr } = await runVarve(["doctor", "az://acct/box/run"], {
      cwd: temporaryFolder(),
      env: azureAt(1),
    });
    expect([code, stderr]).toEqual([1, ""]);
    expect(stdout).toMatch(/^write +FAILED .*ECONNREFUSED/m);
    expect(stdout.match(/Nothing has answered: check the URL with its endpoint/g)).toHaveLength(1);
    expect(stdout).not.toMatch(/It may pass|by hand/);
    expect(stdout).toMatch(/^clean-up +skipped +Nothing ever answered/m);
    expect(stdout).toMatch(/^Not fit for checkpoints as it is\. Not right at az:\/\/acct\/box\/run: write, /m);
    expect(stdout).not.toContain(ACCOUNT_KEY);
  });

  test("prints each check as it ends, not all at the end", async () => {
    let isSilent = false;
    const server = createServer((_, response) => {
      // Refuses the first, and then stands still.
      if (!isSilent) response.writeHead(403, { "x-ms-error-code": "AuthorizationFailure" }).end();
      isSilent = true;
    });
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const env = azureAt((server.address() as AddressInfo).port);
    const { child } = startVarve(["doctor", "az://acct/box/run"], { cwd: temporaryFolder(), env });
    onTestFinished(() => void child.kill("SIGKILL"));
    let seen = "";
    for await (const chunk of child.stdout ?? []) {
      seen += String(chunk);
      if (/^write /m.test(seen)) break;
    }
    expect(seen).toMatch(/^check +found\nwrite +FAILED .*AuthorizationFailure/);
    expect(child.exitCode).toBeNull();
  });

  test("ends with 2 for what names no store", async () => {
    const { code, stderr } = await runVarve(["doctor", "ftp://host/run"], { cwd: temporaryFolder() });
    expect([code, stderr]).toEqual([2, expect.stringContaining("az://")]);
  });

  test("Ctrl-C ends it with 130, what was written removed", async () => {
    const requests: string[] = [];
    const seen = Promise.withResolvers<void>();
    // Never answers a put: it is not known whether the object is there.
    const server = createServer(({ method, url }, response) => {
      requests.push(`${method} ${url?.replace(/[0-9a-f]{32}/, "ID")}`);
      if (method === "DELETE") response.writeHead(404, { "x-ms-error-code": "BlobNotFound" }).end();
      seen.resolve();
    });
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const cwd = temporaryFolder();
    const { child, finished } = startVarve(["doctor", "az://acct/box/run"], { cwd, env: azureAt(port) });
    await seen.promise;
    child.kill("SIGINT");
    expect(await finished).toEqual({
      code: 130,
      stdout: "check              found\n",
      stderr: "Interrupted; what was written is removed.\n",
    });
    expect(requests).toEqual(["PUT /acct/box/run/doctor/ID/first", "DELETE /acct/box/run/doctor/ID/first"]);
  });
});
