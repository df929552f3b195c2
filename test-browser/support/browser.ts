import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { missing } from "../../test-crash/support/requirements.ts";
import { smallPicture } from "./small-picture.ts";

const IMAGES = join(import.meta.dirname, "..", "..", "docs", "images");

/** Why no browser test can run here, or null; see `missing` for when that fails instead. */
export function noBrowser(what: string): string | null {
  if (process.env["VARVE_CHROMIUM"] !== undefined) return null;
  return missing(what, [{ command: "chromium", package: "chromium" }], false);
}

/** What Chromium itself says of requests to a server that is gone, for tests that end it. */
export const LOST: RegExp = /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY_RESPONSE|ERR_NETWORK|ERR_SOCKET/;

/** Without a sandbox of its own, which containers do not allow: it opens nothing but our own page. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["VARVE_CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
}

/** A page, and what it did that it may not do. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors in its console, errors that nobody caught, offences against its policy, requests to other machines. */
  readonly complaints: readonly string[];
}

const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 740 };

/**
 * Opens an address in a fresh profile. What is seen does not depend on the machine's zone or language.
 *
 * @param expected - complaints that the test brings about itself
 */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
  expected: RegExp = /^$/,
): Promise<WatchedPage> {
  const context = await browser.newContext({
    ...{ viewport: DESKTOP, locale: "en-GB", timezoneId: "UTC", colorScheme: "light" },
    ...options,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  const complain = (complaint: string): void => {
    if (!expected.test(complaint)) complaints.push(complaint);
  };
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      complain(`console: ${message.text()} (${message.location().url})`);
    }
  });
  page.on("pageerror", (error) => complain(`error: ${error.message}`));
  page.on("request", (request) => {
    if (new URL(request.url()).hostname !== "127.0.0.1") complain(`request: ${request.url()}`);
  });
  await page.addInitScript(
    `addEventListener("securitypolicyviolation", (event) => console.error("policy: " + event.violatedDirective))`,
  );
  await page.goto(url);
  return { page, complaints };
}

/** Keeps what the page looks like for the docs, where VARVE_SCREENSHOTS=1 asks for that; each run would change them. */
export async function keepPicture(page: Page, name: string, isWholePage = true): Promise<void> {
  if (process.env["VARVE_SCREENSHOTS"] !== "1") return;
  mkdirSync(IMAGES, { recursive: true });
  const picture = await page.screenshot({ fullPage: isWholePage, animations: "disabled" });
  writeFileSync(join(IMAGES, `dashboard-${name}.png`), smallPicture(picture));
}
