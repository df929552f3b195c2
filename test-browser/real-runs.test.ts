import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Dashboard, startDashboard } from "../src/dashboard/dashboard.ts";
import { folderWith, QUICK, runVarve, startVarve } from "../test/cli/run-varve.ts";
import { startS3Cloud } from "../test/servers/s3/s3-cloud.ts";
import { keepPicture, LOST, noBrowser } from "./support/browser.ts";
import { useBrowser } from "./support/session.ts";

const SMALL = ["--population", "4", "--quiet"];

describe.skipIf(noBrowser("runs of the real trainer") !== null)("the page, given by the real server", () => {
  let folder: string;
  let dashboard: Dashboard | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "varve-browser-"));
  });
  afterEach(async () => {
    await dashboard?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  // Hooks after a test run in reverse: the pages close before the server that they would miss.
  const { open } = useBrowser();

  async function train(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await runVarve(["train", ...args, "--store", "./run", ...SMALL], { cwd: folder });
    expect(code, stderr).toBe(0);
  }

  it("shows a finished run from disk, and then what a resume made of it", async () => {
    await train("pendulum", "--generations", "4", "--save-every", "1");
    dashboard = await startDashboard({ runs: [{ store: join(folder, "run") }] });
    const { page } = await open(dashboard.urlWithToken);
    await page.getByText("The run has ended").waitFor();
    expect(page.url()).toBe(dashboard.url);
    expect(await page.locator(".phase").textContent()).toBe("finished");
    await page.getByText("4 of 4").waitFor();
    await page.getByRole("row", { name: /^4 4 committed yes/ }).waitFor();
    expect(await page.locator("#time-line-words").textContent()).toMatch(
      /· 4 generations .* · 4 checkpoints durable, 4 comm/,
    );
    await train("--resume", "--generations", "6");
    await page.getByText("resumed once from step 4").waitFor();
    await page.getByText("6 of 6").waitFor();
    await page.getByRole("row", { name: /^6 6 committed yes/ }).waitFor();
  });

  it("shows an empty store beside another run", async () => {
    await train("pendulum", "--generations", "2");
    dashboard = await startDashboard({ runs: [{ store: join(folder, "run") }, { store: join(folder, "nothing") }] });
    const { page } = await open(dashboard.urlWithToken);
    await page.getByRole("row", { name: /^run finished 2 of 2/ }).waitFor();
    await page.getByRole("tab", { name: "nothing" }).click();
    await page.getByText("There is nothing in this store yet").waitFor();
  });

  it("follows a run from its start to its end, through an outage of its store", async () => {
    const cloud = await startS3Cloud();
    let isAway = false;
    cloud.onRequest = ({ kind }) => (isAway && kind === "put" ? { status: 403 } : null);
    const env = { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${cloud.port}`, AWS_REGION: "us-east-1" };
    const args = ["train", "--generations", "100000", "--store", cloud.newUrl(), "--local", "first", "--dashboard"];
    // About one save per second. Where they come faster than a busy machine makes them, those that wait fill the
    // table's newest rows, and no committed one is to be seen.
    const cwd = folderWith({ ...QUICK, population: 12, saveEvery: 800 });
    const { child, finished } = startVarve(args, { cwd, env });
    const { page } = await open(await dashboardAddressOf(child), {}, LOST);
    await page.locator(".phase", { hasText: "training" }).waitFor();
    await page
      .getByRole("row", { name: /^\d+ \d+ committed / })
      .first()
      .waitFor();
    expect(await page.locator(".row-labels").textContent()).toContain("Local write");
    isAway = true;
    await page.getByText(/ is away since /).waitFor();
    await page
      .getByRole("row", { name: /durable, not sent yet/ })
      .first()
      .waitFor();
    await keepPicture(page, "real-outage");
    isAway = false;
    await page.getByText(/ is away since /).waitFor({ state: "hidden", timeout: 90_000 });
    child.kill("SIGINT");
    await page.getByText("The run has ended, and its server with it").waitFor({ timeout: 60_000 });
    expect(await page.locator(".phase").textContent()).toBe("stopped before its end");
    expect((await finished).code).toBe(130);
    await cloud.close();
  });

  it("asks who has no token for it", async () => {
    await train("pendulum", "--generations", "1");
    dashboard = await startDashboard({ runs: [{ store: join(folder, "run") }] });
    const { page } = await open(dashboard.url, {}, /status of 401/);
    expect(await page.locator("body").textContent()).toMatch(/token/);
  });
});

/** What `varve train --dashboard` prints: the address with the token. */
function dashboardAddressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (text: string) => {
        printed += text;
        const address = /http:\S+token=[\w-]+/.exec(printed)?.[0];
        if (address !== undefined) resolve(address);
      });
    }
    child.on("close", () => reject(new Error(`ended without a dashboard: ${printed}`)));
  });
}
