import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { startDashboard } from "../../src/dashboard/dashboard.ts";
import { ask, served, TOKEN, withToken } from "./served.ts";

const NO_RUNS = { runs: [] };

describe("who may look", () => {
  test("without the token is told how to get in, on every path but /healthz", async () => {
    const dashboard = await served(NO_RUNS);
    for (const path of ["/", "/api/runs", "/api/runs/0/events", "/metrics", "/assets/record/run-view.ts", "/nothing"]) {
      expect(await ask(dashboard, path)).toMatchObject({ status: 401, body: expect.stringContaining("/?token=") });
    }
    expect(await ask(dashboard, "/healthz")).toMatchObject({ status: 200, body: "ok\n" });
  });

  test("with a wrong token is refused, wherever it is given, and gets no cookie", async () => {
    const dashboard = await served(NO_RUNS);
    const wrong = TOKEN.replace("a", "b");
    const cookie = `varve-dashboard-${dashboard.port}`;
    const answers = await Promise.all([
      ask(dashboard, `/?token=${wrong}`),
      ask(dashboard, "/?token="),
      ask(dashboard, "/", { authorization: `Bearer ${wrong}` }),
      ask(dashboard, "/", { authorization: `Basic ${TOKEN}` }),
      ask(dashboard, "/", { authorization: "Bearer " }),
      ask(dashboard, "/", { cookie: `${cookie}=${wrong}` }),
      ask(dashboard, "/", { cookie: `varve-dashboard-1=${TOKEN}` }),
      ask(dashboard, `/api/runs?token=${TOKEN}`),
      // A wrong one is not made good by a right one elsewhere.
      ask(dashboard, `/?token=${wrong}`, withToken),
    ]);
    for (const { status, headers } of answers) {
      expect(status).toBe(401);
      expect(headers["set-cookie"]).toBeUndefined();
    }
  });

  test("with the token in the address gets a cookie, and an address without it", async () => {
    const dashboard = await served(NO_RUNS);
    const { status, headers } = await ask(dashboard, `/?token=${TOKEN}`);
    expect([status, headers["location"]]).toEqual([303, "/"]);
    const [cookie = ""] = headers["set-cookie"] ?? [];
    expect(cookie).toMatch(/; HttpOnly/);
    expect(cookie).toMatch(/; SameSite=Strict/);
    const [pair = ""] = cookie.split(";");
    expect(await ask(dashboard, "/api/runs", { cookie: pair })).toMatchObject({ status: 200, body: '{"runs":[]}' });
  });

  test("is chosen anew each time, long, and not in the address that may be shown", async () => {
    const [first, second] = await Promise.all([startDashboard(NO_RUNS), startDashboard(NO_RUNS)]);
    onTestFinished(async () => {
      await Promise.all([first.close(), second.close()]);
    });
    expect(first.token).toMatch(/^[0-9a-f]{32}$/);
    expect(second.token).not.toBe(first.token);
    expect(first.url).toBe(`http://127.0.0.1:${first.port}/`);
    expect(first.urlWithToken).toBe(`${first.url}?token=${first.token}`);
  });
});

describe("a request", () => {
  test("that names another host is refused, with the token too: so do pages of strangers", async () => {
    const dashboard = await served(NO_RUNS);
    for (const host of [
      "evil.example",
      `evil.example:${dashboard.port}`,
      "127.0.0.1.evil.example",
      "10.0.0.1",
      "[::2]",
    ]) {
      expect([host, (await ask(dashboard, "/healthz", { ...withToken, host })).status]).toEqual([host, 421]);
    }
    expect((await ask(dashboard, "/healthz", { ...withToken, host: "a b" })).status).toBe(400);
    for (const host of ["localhost", "LOCALHOST:9", "127.0.0.1:1", "[::1]:8080"]) {
      expect([host, (await ask(dashboard, "/healthz", { host })).status]).toEqual([host, 200]);
    }
  });

  test("to a server on all addresses may name any address, and no other name", async () => {
    const dashboard = await served({ ...NO_RUNS, host: "0.0.0.0" });
    for (const [host, status] of [
      ["10.1.2.3:80", 200],
      ["[2001:db8::1]", 200],
      ["evil.example", 421],
    ] as const) {
      expect([host, (await ask(dashboard, "/healthz", { host })).status]).toEqual([host, status]);
    }
  });

  test("that would change something is refused before anything else", async () => {
    const dashboard = await served(NO_RUNS);
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      const answer = await ask(dashboard, "/api/runs", withToken, method);
      expect(answer).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
    }
  });

  test("with HEAD gets the headers alone, of a stream too", async () => {
    const dashboard = await served({ runs: [{ store: "." }] });
    expect(await ask(dashboard, "/api/runs", withToken, "HEAD")).toMatchObject({ status: 200, body: "" });
    const stream = await ask(dashboard, "/api/runs/0/events", withToken, "HEAD");
    expect(stream).toMatchObject({ status: 200, body: "" });
    expect(stream.headers["content-type"]).toContain("text/event-stream");
  });

  test("for a path that leads out of the page's files finds nothing", async () => {
    const dashboard = await served(NO_RUNS);
    const paths = [
      "/assets/../package.json",
      "/assets/..%2f..%2fpackage.json",
      "/assets/page/..%2f..%2f..%2fpackage.json",
      "/assets/%2e%2e/%2e%2e/package.json",
      "/assets/record/..%5c..%5cerrors.ts",
      "/assets/record/../../errors.ts",
      "/assets/record/run-view.ts%00.js",
      "/assets/record//etc/passwd",
      "/assets/record/%252e%252e/errors.ts",
      "//etc/passwd",
      "/assets/uplot/../package.json",
      "/assets/record/",
      "/api/runs/-1/events",
      "/api/runs/0x0/events",
      "/api/runs/9/events",
    ];
    for (const path of paths) expect([path, (await ask(dashboard, path, withToken)).status]).toEqual([path, 404]);
    expect(await ask(dashboard, "/assets/record/run-view.ts", withToken)).toMatchObject({
      status: 200,
      headers: { "content-type": "text/javascript; charset=utf-8" },
      body: expect.stringContaining("export function applyRecord("),
    });
  });

  test("is answered with headers that let a browser load nothing from elsewhere, whatever the answer", async () => {
    const dashboard = await served(NO_RUNS);
    const answers = await Promise.all([
      ask(dashboard, "/", withToken),
      ask(dashboard, "/"),
      ask(dashboard, "/nothing", withToken),
      ask(dashboard, "/", { host: "evil.example" }),
      ask(dashboard, `/?token=${TOKEN}`),
    ]);
    for (const { headers } of answers) {
      expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
      expect(headers["content-security-policy"]).not.toContain("unsafe");
      expect(headers).toMatchObject({
        ...{ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cache-control": "no-store" },
        ...{ "x-frame-options": "DENY", "cross-origin-resource-policy": "same-origin" },
      });
    }
  });
});

describe("a dashboard that cannot be served", () => {
  test("because its port is taken is a typed error that says what to do", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void other.close());
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as AddressInfo;
    await expect(startDashboard({ ...NO_RUNS, port })).rejects.toMatchObject({
      code: "VARVE_DASHBOARD",
      message: expect.stringContaining(`127.0.0.1:${port}`),
      hint: expect.stringContaining("another port"),
    });
  });

  test("at an address that is not this machine's is a typed error", async () => {
    await expect(startDashboard({ ...NO_RUNS, host: "192.0.2.1" })).rejects.toMatchObject({
      code: "VARVE_DASHBOARD",
      hint: expect.stringContaining("127.0.0.1"),
    });
  });

  test("with wrong options is refused before a thread is started, and a weak token is not repeated", async () => {
    await expect(startDashboard({ ...NO_RUNS, port: 70_000 })).rejects.toMatchObject({ argument: "port" });
    await expect(startDashboard({ ...NO_RUNS, host: "" })).rejects.toMatchObject({ argument: "host" });
    const weak = startDashboard({ ...NO_RUNS, token: "hunter2" });
    await expect(weak).rejects.toMatchObject({ argument: "token" });
    await expect(weak).rejects.not.toThrow("hunter2");
    await expect(startDashboard({ runs: [{ store: "memory://x" }] })).rejects.toMatchObject({ argument: "store" });
  });
});
