import { describe, expect, it } from "vitest";
import type { RunRecord } from "../src/record/run-record.ts";
import { keepPicture, noBrowser, PHONE } from "./support/browser.ts";
import { CONTRASTS, type Contrast } from "./support/contrast.ts";
import { BEGIN_MS, madeRun, recordsOf } from "./support/made-run.ts";
import { useBrowser } from "./support/session.ts";

const ended = (name = "pendulum-1") => ({
  ...{ name, store: "s3://runs/pendulum-1", isLive: false },
  records: [
    ...madeRun({ generations: 200, awayFrom: 180 }),
    { event: "end", atMs: BEGIN_MS + 405_000, generations: 200, finished: true, stateHash: "" } as const,
  ],
});

describe.skipIf(noBrowser("access to the page") !== null)("a reader", () => {
  const { show } = useBrowser();

  it.each([320, 360, 768])("of a screen %i pixels wide scrolls down only", async (width) => {
    const { page } = await show([ended(), ended("pendulum-2")], { viewport: { width, height: 740 } });
    await page.getByText("Side by side").waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
    await page.getByRole("tab", { name: "pendulum-2" }).click();
    await page.getByText("200 of 400").waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
  });

  it.each([320, 1280])("of a screen %i pixels wide sees each pack on its way", async (width) => {
    const records = madeRun({ generations: 60, beginMs: Date.now() - 120_000 });
    const last = records.findLast((record) => record.event === "status");
    if (last === undefined) throw new Error("no status");
    const job = { bytesDone: 2e6, bytesTotal: 8e6, bytesPerSecond: 1e6, etaMs: 6000, retries: 1 };
    const jobs = ["1", "2"].map((digit) => ({ ...job, name: `packs/00000001-${digit.repeat(64)}.pack` }));
    const told = (now: typeof jobs): RunRecord => {
      const upload = { ...last.status.upload, jobs: now };
      return { ...last, atMs: Date.now(), status: { ...last.status, upload } };
    };
    const live = { name: "pendulum-1", store: "s3://runs/pendulum-1", isLive: true, records: [...records, told(jobs)] };
    const { page, server } = await show([live], { viewport: { width, height: 740 } });
    const rows = page.getByRole("list", { name: "Packs under way" }).getByRole("listitem");
    await expect.poll(() => rows.count()).toBe(2);
    expect(await rows.first().textContent()).toBe(
      "packs/00000001-11111111111….pack2.00 MB of 8.00 MB · 1.00 MB/s · 6 s left · 1 × tried again",
    );
    expect(await page.getByRole("progressbar", { name: /^Sent of packs/ }).count()).toBe(2);
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
    server.send(0, [told([])]);
    await rows.first().waitFor({ state: "hidden" });
  });

  it("of a screen 320 pixels wide reads each button on one line, and sees that a table goes on", async () => {
    const { page } = await show([ended()], { viewport: { width: 320, height: 740 } });
    await page.getByText("200 of 400").waitFor();
    const heights = `[...document.querySelectorAll(".spans button")].map((each) => each.offsetHeight)`;
    for (const height of await page.evaluate<number[]>(heights)) expect(height).toBeLessThan(32);
    const table = `document.querySelector(".checkpoints .scrolled")`;
    expect(await page.evaluate(`${table}.scrollWidth > ${table}.clientWidth`)).toBe(true);
    const attachment = await page.evaluate(`getComputedStyle(${table}).backgroundAttachment`);
    expect(attachment).toBe("local, local, scroll, scroll");
  });

  it("on a phone, in the dark", async () => {
    const { page } = await show([ended()], { viewport: PHONE, colorScheme: "dark", hasTouch: true, isMobile: true });
    await page.getByText("200 of 400").waitFor();
    await keepPicture(page, "phone-dark");
  });

  it("who turns the lights out sees the page follow", async () => {
    const { page } = await show([ended()]);
    await page.getByText("200 of 400").waitFor();
    const ground = `getComputedStyle(document.body).backgroundColor`;
    const canvas = `document.querySelector(".time-line canvas").toDataURL()`;
    const [lightGround, lightCanvas] = [await page.evaluate(ground), await page.evaluate(canvas)];
    await page.emulateMedia({ colorScheme: "dark" });
    await expect.poll(() => page.evaluate(canvas)).not.toBe(lightCanvas);
    expect(await page.evaluate(ground)).not.toBe(lightGround);
    await keepPicture(page, "dark");
  });

  it.each(["light", "dark"] as const)(
    "reads every text with a contrast of 4.5 at least, when it is %s",
    async (colorScheme) => {
      const { page } = await show([ended(), ended("pendulum-2")], { colorScheme });
      await page.getByText("Side by side").waitFor();
      const ofAll = await page.evaluate<Contrast[]>(CONTRASTS);
      await page.getByRole("tab", { name: "pendulum-2" }).click();
      await page.getByText("200 of 400").waitFor();
      const contrasts = [...ofAll, ...(await page.evaluate<Contrast[]>(CONTRASTS))];
      expect(contrasts.length).toBeGreaterThan(100);
      expect(contrasts.filter(({ ratio }) => ratio < 4.5)).toEqual([]);
    },
  );

  it("with a keyboard reaches the time-line, moves in it, and goes through the checkpoints", async () => {
    const { page } = await show([ended()]);
    await page.getByText("200 of 400").waitFor();
    const isOnTimeLine = `document.activeElement.matches(".time-line canvas")`;
    for (let presses = 0; presses < 20 && !(await page.evaluate(isOnTimeLine)); presses++)
      await page.keyboard.press("Tab");
    expect(await page.evaluate(isOnTimeLine)).toBe(true);
    expect(await page.locator("#time-line-keys").isVisible()).toBe(true);
    const [words, readout] = [page.locator("#time-line-words"), page.locator(".readout")];
    expect(await words.textContent()).toMatch(/^09:00:00 to 09:06:4\d · 200 generations/);
    await page.keyboard.press("PageUp");
    expect(await readout.textContent()).toMatch(/^Checkpoint 40 \(step 200\) · blocked 0\.2/);
    await page.keyboard.press("PageUp");
    expect(await readout.textContent()).toMatch(/^Checkpoint 39 \(step 195\)/);
    for (let presses = 0; presses < 6; presses++) await page.keyboard.press("+");
    expect(await words.textContent()).not.toMatch(/· 200 generations/);
    const zoomed = await words.textContent();
    await page.keyboard.press("ArrowLeft");
    expect(await words.textContent()).not.toBe(zoomed);
    await page.keyboard.press("Home");
    expect(await words.textContent()).toMatch(/· 200 generations/);
    await page.keyboard.press("Escape");
    expect(await readout.textContent()).toMatch(/^Point at a bar/);
  });

  it("with a keyboard reads the values of a plot", async () => {
    const { page } = await show([ended()]);
    await page.getByText("200 of 400").waitFor();
    const plot = page.getByRole("img", { name: /^Fitness over generations/ });
    await plot.focus();
    await page.keyboard.press("ArrowLeft");
    await page.locator(".fitness").getByText("generation 200").waitFor();
    await page.keyboard.press("ArrowLeft");
    await page.locator(".fitness").getByText("generation 199").waitFor();
  });

  it("with a pointer chooses a part of a plot, and keeps it while the run goes on", async () => {
    const { page, server } = await show([ended()]);
    await page.getByText("200 of 400").waitFor();
    const plot = page.getByRole("img", { name: /^Fitness over generations/ });
    const box = await plot.boundingBox();
    if (box === null) throw new Error("the plot has no place");
    const y = box.y + 100;
    await page.mouse.move(box.x + 150, y);
    await page.mouse.down();
    await page.mouse.move(box.x + 250, y, { steps: 4 });
    await page.mouse.up();
    const generationAt = async (x: number): Promise<string | null> => {
      await page.mouse.move(x, y + 1);
      await page.mouse.move(x, y);
      return page.locator(".fitness .at").textContent();
    };
    const atRight = await generationAt(box.x + box.width - 24);
    expect(Number(atRight?.replace("generation ", ""))).toBeLessThan(120);
    server.send(0, recordsOf(201, { generations: 0 }));
    await page.getByText("201 of 400").waitFor();
    expect(await generationAt(box.x + box.width - 24)).toBe(atRight);
  });

  it("with a keyboard goes from run to run", async () => {
    const { page } = await show([ended(), ended("pendulum-2")]);
    const all = page.getByRole("tab", { name: "All runs" });
    await all.waitFor();
    await all.focus();
    await page.keyboard.press("ArrowRight");
    await page.getByRole("heading", { name: "pendulum-1" }).waitFor();
    await page.keyboard.press("End");
    await page.getByRole("heading", { name: "pendulum-2" }).waitFor();
    expect(await page.getByRole("tab", { name: "pendulum-2" }).getAttribute("aria-selected")).toBe("true");
  });

  it("with a pointer sees what lies under it, and drags the time-line", async () => {
    const { page } = await show([ended()]);
    await page.getByText("200 of 400").waitFor();
    const box = await page.locator(".time-line canvas").boundingBox();
    if (box === null) throw new Error("the time-line has no place");
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.getByText(/^Generation 1?\d\d · evaluate .* · learn/).waitFor();
    await page.getByRole("button", { name: "Last minute" }).click();
    const words = page.locator("#time-line-words");
    const before = await words.textContent();
    await page.mouse.move(box.x + 200, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + 500, box.y + 20, { steps: 4 });
    await page.mouse.up();
    expect(await words.textContent()).not.toBe(before);
    expect(await page.getByRole("button", { name: "Follow" }).getAttribute("aria-pressed")).toBe("false");
  });
});
