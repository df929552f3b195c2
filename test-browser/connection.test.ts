import { describe, expect, it } from "vitest";
import type { RunRecord } from "../src/record/run-record.ts";
import { keepPicture, LOST, noBrowser } from "./support/browser.ts";
import { madeRun, recordsOf } from "./support/made-run.ts";
import { useBrowser } from "./support/session.ts";

/** These tests make the server refuse, too. */
const REFUSED = new RegExp(`${LOST.source}|status of (401|503)`);

const options = () => ({ generations: 60, beginMs: Date.now() - 120_000 });
const live = (records: RunRecord[]) => ({ name: "pendulum-1", store: "runs/pendulum-1", isLive: true, records });

describe.skipIf(noBrowser("lost connections") !== null)("a connection", () => {
  const { show } = useBrowser();

  it("that is lost is said, tried again, and made good for, while what was there stays", async () => {
    const made = options();
    const { page, server } = await show([live(madeRun(made))], {}, REFUSED);
    await page.getByText("60 of 400").waitFor();
    server.refusal = 503;
    server.dropStreams();
    await page.getByText("Connection lost").waitFor();
    expect(await page.getByText("60 of 400").isVisible()).toBe(true);
    await keepPicture(page, "connection-lost", false);
    server.send(0, recordsOf(61, made));
    server.refusal = null;
    await page.getByText("61 of 400").waitFor();
    await page.getByText("Connection lost").waitFor({ state: "hidden" });
    expect(server.openStreams).toBe(1);
  });

  it("to a server that was started anew says where the token is", async () => {
    const { page, server } = await show([live(madeRun(options()))], {}, REFUSED);
    await page.getByText("60 of 400").waitFor();
    server.refusal = 401;
    server.dropStreams();
    await page.getByText("The server does not know this page any more").waitFor();
    await page.getByText("Open the address that it printed").waitFor();
  });

  it("to no run at all says how to give one", async () => {
    const { page } = await show([]);
    await page.getByText("This server has no run to show. Give it one: varve dashboard <store>").waitFor();
  });

  it("brings names and messages as text, whatever they look like", async () => {
    const evil = `<img src=x onerror="document.title='taken'">`;
    const error = { code: null, message: evil, hint: evil };
    const records: RunRecord[] = [
      ...madeRun(options()),
      { event: "warning", atMs: Date.now(), message: evil },
      { event: "degraded", atMs: Date.now(), store: evil, error, behind: 1 },
      { event: "failed", atMs: Date.now(), step: 65, sequence: 13, error },
    ];
    const { page } = await show([{ ...live(records), name: evil, store: evil }]);
    await page.getByText("60 of 400").waitFor();
    await page.locator(".problems").getByText(evil).first().waitFor();
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.title()).toBe(`${evil} · Varve`);
  });

  it("that brings a long run is cheap from then on", async () => {
    const made = { generations: 10_000, all: 12_000, beginMs: Date.now() - 20_000_000 };
    const { page, server } = await show([live(madeRun(made))]);
    await page.getByText("10,000 of 12,000").waitFor();
    await page.getByRole("button", { name: "The whole run" }).click();
    const session = await page.context().newCDPSession(page);
    await session.send("Performance.enable");
    const scriptSeconds = async (): Promise<number> => {
      const { metrics } = await session.send("Performance.getMetrics");
      return metrics.find(({ name }) => name === "ScriptDuration")?.value ?? Number.NaN;
    };
    const before = await scriptSeconds();
    for (let generation = 10_001; generation <= 10_020; generation++) {
      server.send(0, recordsOf(generation, made));
      await page.waitForTimeout(100);
    }
    await page.getByText("10,020 of 12,000").waitFor();
    // A page that drew everything for every record would need a second and more of these two.
    expect((await scriptSeconds()) - before).toBeLessThan(1);
  });
});
