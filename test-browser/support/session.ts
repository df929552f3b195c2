import type { Browser, BrowserContextOptions } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { openPage, startBrowser, type WatchedPage } from "./browser.ts";
import { type ReplayedRun, ReplayServer } from "./replay-server.ts";

interface Shown extends WatchedPage {
  readonly server: ReplayServer;
}

/** How a test shows runs in a page of its own. */
export interface BrowserSession {
  readonly show: (runs: readonly ReplayedRun[], ...how: HowShown) => Promise<Shown>;
  /** A page at another server's address. */
  readonly open: (url: string, ...how: HowShown) => Promise<WatchedPage>;
}

/** `expected` are complaints that the test brings about itself. */
type HowShown = [options?: BrowserContextOptions, expected?: RegExp];

/**
 * One browser for all tests of a `describe`. After each of them its pages and servers are closed, and a page that did
 * what it may not do fails the test, whatever the test was about.
 */
export function useBrowser(): BrowserSession {
  let browser: Browser;
  let opened: WatchedPage[] = [];
  let servers: ReplayServer[] = [];
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    const complaints = opened.flatMap((each) => each.complaints);
    for (const { page } of opened) await page.context().close();
    for (const server of servers) await server.close();
    opened = [];
    servers = [];
    expect(complaints).toEqual([]);
  });
  const session: BrowserSession = {
    show: async (runs, ...how) => {
      const server = await ReplayServer.start(runs);
      servers.push(server);
      return { server, ...(await session.open(server.url, ...how)) };
    },
    open: async (url, ...how) => {
      const watched = await openPage(browser, url, ...how);
      opened.push(watched);
      return watched;
    },
  };
  return session;
}
