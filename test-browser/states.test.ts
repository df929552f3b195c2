import { describe, expect, it } from "vitest";
import type { CheckpointFacts, RunRecord } from "../src/record/run-record.ts";
import { keepPicture, LOST, noBrowser } from "./support/browser.ts";
import { BEGIN_MS, madeRun, recordsOf } from "./support/made-run.ts";
import type { ReplayedRun } from "./support/replay-server.ts";
import { useBrowser } from "./support/session.ts";

const run = (records: RunRecord[], changes: Partial<ReplayedRun> = {}): ReplayedRun => ({
  ...{ name: "pendulum-1", store: "s3://runs/pendulum-1", isLive: false, records },
  ...changes,
});

/** A run that began two minutes ago and still trains. */
const liveOptions = (changes: { readonly awayFrom?: number } = {}) => ({
  ...{ generations: 60, beginMs: Date.now() - 120_000 },
  ...changes,
});

const end = (atMs: number, changes: object = {}): RunRecord => ({
  ...{ event: "end", atMs, generations: 400, finished: true, stateHash: "5e0c" },
  ...changes,
});

const nameOf = (sequence: number, epoch = 1): string =>
  `checkpoints/${String(epoch).padStart(8, "0")}-${String(sequence).padStart(12, "0")}.json`;

function checkpoint(sequence: number, parent: string | null, changes: Partial<CheckpointFacts> = {}): CheckpointFacts {
  return {
    ...{ name: nameOf(sequence), step: sequence * 5, sequence, epoch: 1, parent, createdAt: "", metrics: {} },
    ...{ storedBytes: 7_600_000, logicalBytes: 51_200_000, transitions: 100_000, pinned: false, problem: null },
    ...changes,
  };
}

describe.skipIf(noBrowser("the states of the page") !== null)("the page", () => {
  const { show } = useBrowser();

  it("follows a run from its first generation to its end", async () => {
    const options = { generations: 0, beginMs: Date.now() - 6000 };
    const { page, server } = await show([run(madeRun(options), { isLive: true })], {}, LOST);
    await page.getByText("The first generation is under way.").waitFor();
    await keepPicture(page, "begun", false);
    for (let generation = 1; generation <= 5; generation++) server.send(0, recordsOf(generation, options));
    await page.getByText("5 of 400").waitFor();
    await page.getByRole("row", { name: /^5 1 committed/ }).waitFor();
    server.send(0, [end(Date.now(), { generations: 5, finished: false })]);
    await page.getByText("The run has been stopped before its last generation").waitFor();
    server.dropStreams();
    await server.close();
    await page.getByText("The run has ended, and its server with it").waitFor();
  });

  it("shows a live run", async () => {
    const options = liveOptions();
    const { page, server } = await show([run(madeRun(options), { isLive: true })]);
    await page.getByText("60 of 400").waitFor();
    expect(await page.locator(".phase").textContent()).toBe("training");
    const words = page.locator("#time-line-words");
    const before = await words.textContent();
    server.send(0, recordsOf(61, options));
    await page.getByText("61 of 400").waitFor();
    await expect.poll(() => words.textContent()).not.toBe(before);
    await keepPicture(page, "live");
  });

  it("draws waits for memory between saves as time blocked", async () => {
    const waited = { event: "waited", waitingAtMs: BEGIN_MS + 3000, atMs: BEGIN_MS + 9000, blockedMs: 6000, waits: 1 };
    const records = [...madeRun({ generations: 6 }), waited as RunRecord, end(BEGIN_MS + 12_000)];
    const { page } = await show([run(records)]);
    await page.getByText(/of it waiting for memory/).waitFor();
    const canvas = page.getByRole("img", { name: /^Time-line of training/ });
    const { width = 0 } = (await canvas.boundingBox()) ?? {};
    // In the middle of the row, where there is no save.
    const pixel = `(() => { const drawn = document.querySelector("canvas");
      return [...drawn.getContext("2d").getImageData(drawn.width * 0.45, drawn.height * 51 / 162, 1, 1).data][3]; })()`;
    expect(await page.evaluate(pixel)).toBe(255);
    await canvas.hover({ position: { x: width * 0.45, y: 51 } });
    await page.getByText(/^Training waited 6.* s for memory$/).waitFor();
  });

  it("says why it cannot tell whether checkpoints are complete, and what that means", async () => {
    const records = madeRun({ generations: 10, beginMs: Date.now() - 20_000 });
    const { page } = await show([run(records, { isLive: true, isListed: false }), run(records)]);
    const note = page.getByText(/^Whether they are complete, .* has no folder on this machine/);
    await page.getByRole("tab", { name: "pendulum-1" }).first().click();
    await note.filter({ visible: true }).waitFor();
    const head = page.getByRole("columnheader", { name: "Complete" }).filter({ visible: true });
    expect(await head.getAttribute("title")).toMatch(/every pack .* Only varve verify reads/);
    await page.getByRole("tab", { name: "pendulum-1" }).nth(1).click();
    await note.filter({ visible: true }).waitFor({ state: "hidden" });
  });

  it("keeps fitness readable where validation is of another scale, and calls writes to a folder so", async () => {
    const records = madeRun({ generations: 20 }).map((record) =>
      record.event === "generation" && record.validation !== null ? { ...record, validation: -1e6 } : record,
    );
    const { page } = await show([run([...records, end(BEGIN_MS + 50_000)], { store: "file:///runs/pendulum-1" })]);
    await page.getByText(/^validation .*\(below\)$/).waitFor();
    await page.getByRole("heading", { name: "Writes to the store" }).waitFor();
  });

  it("shows a run that has ended", async () => {
    const records = [...madeRun({ generations: 400 }), end(BEGIN_MS + 805_000)];
    const { page } = await show([run(records)]);
    await page.getByText("The run has ended").waitFor();
    await page.getByText("400 of 400").waitFor();
    expect(await page.getByRole("button", { name: "The whole run" }).getAttribute("aria-pressed")).toBe("true");
    expect(await page.getByRole("button", { name: "Follow" }).isDisabled()).toBe(true);
    expect(await page.getByRole("img", { name: /^Fitness over generations/ }).getAttribute("aria-label")).toMatch(
      /Generation 400: mean -2\d\d\.\d, max/,
    );
    await page.getByRole("button", { name: "Show 68 more of 80" }).click();
    expect(await page.locator(".checkpoints tbody tr").count()).toBe(80);
    await page.reload();
    await page.getByText("The run has ended").waitFor();
    await keepPicture(page, "finished");
  });

  it("shows a store that fails, what to do about it, and its return", async () => {
    const options = liveOptions({ awayFrom: 38 });
    const { page, server } = await show([run(madeRun(options), { isLive: true })]);
    await page.getByText(/^s3:\/\/runs\/pendulum-1 is away since/).waitFor();
    await page.locator(".banner").getByText("Next step: Saves go on to local disk.").waitFor();
    await page.locator(".problems").getByText("503 SlowDown").waitFor();
    expect(await page.locator(".tile.bad").textContent()).toMatch(/^Store behind by5store away; 1\.90 MB/);
    await keepPicture(page, "failing-store");
    const back = { event: "recovered", atMs: Date.now(), store: "s3://runs/pendulum-1", behind: 4, awayMs: 1 } as const;
    server.send(0, [back]);
    await page.locator(".banner").waitFor({ state: "hidden" });
    await page.locator(".problems").getByText("503 SlowDown").waitFor();
  });

  it("shows a resume, and where the run branched", async () => {
    const resumedAtMs = BEGIN_MS + 300_000;
    const resumed = { generations: 0, beginMs: resumedAtMs - 160_000, resumedFrom: 80 };
    const start = madeRun({ generations: 0, beginMs: resumedAtMs })[0];
    const records: RunRecord[] = [
      ...madeRun({ generations: 100 }),
      { ...start, event: "resume", step: 80, sequence: 16 } as RunRecord,
      ...Array.from({ length: 60 }, (_, at) => recordsOf(81 + at, resumed))
        .flat()
        .map((record) => ("sequence" in record ? { ...record, sequence: record.sequence + 4 } : record)),
    ];
    const checkpoints = Array.from({ length: 17 }, (_, at) => {
      const sequence = at + 16;
      if (sequence < 21) return checkpoint(sequence, nameOf(sequence - 1), { pinned: sequence === 18 });
      return checkpoint(sequence, nameOf(sequence === 21 ? 16 : sequence - 1), { step: (sequence - 4) * 5 });
    });
    records.push({ event: "checkpoints", atMs: resumedAtMs + 200_000, checkpoints });
    const { page } = await show([run(records)]);
    await page.getByText("resumed once from step 80").waitFor();
    await page.getByText("140 of 400").waitFor();
    await keepPicture(page, "resumed");
    await page.getByRole("button", { name: /^Show \d+ more/ }).click();
    await page.getByText("branches to 17 and 21").waitFor();
    await page.getByText("pinned").waitFor();
    expect(await page.getByText("removed by retention").count()).toBe(15);
    await page.locator(".checkpoints").scrollIntoViewIfNeeded();
    await keepPicture(page, "branches", false);
  });

  it("shows an empty store, and what comes to be in it", async () => {
    const { page, server } = await show([run([])]);
    await page.getByText("There is nothing in this store yet").waitFor();
    await keepPicture(page, "empty", false);
    const options = liveOptions();
    server.send(0, madeRun(options));
    await page.getByText("60 of 400").waitFor();
  });

  it("shows checkpoints of which there is no log, and what is damaged", async () => {
    const damaged = { problem: "packs/00000001-7f3a.pack is missing" };
    const checkpoints = [checkpoint(1, null), checkpoint(2, nameOf(1), damaged), checkpoint(3, nameOf(2))];
    const { page } = await show([run([{ event: "checkpoints", atMs: BEGIN_MS, checkpoints }])]);
    await page.getByText("Only the store's checkpoints are known.").waitFor();
    await page
      .getByRole("row", { name: /^10 2 damaged/ })
      .getByText("is missing")
      .waitFor();
    expect(await page.locator(".time-line").isVisible()).toBe(false);
    await keepPicture(page, "checkpoints-only", false);
  });

  it("shows why a run cannot be read", async () => {
    const error = { code: "VARVE_CONFIG", message: "no such folder: /runs/x", hint: "Give the folder of a run." };
    const { page } = await show([run([], { error })]);
    await page.getByText("no such folder: /runs/x (VARVE_CONFIG) Next step: Give the folder of a run.").waitFor();
  });

  it("shows several runs side by side, and keeps the one that was selected", async () => {
    const { page, server } = await show([
      run(madeRun(liveOptions()), { isLive: true }),
      run([...madeRun({ generations: 200, all: 200, seed: 2 }), end(BEGIN_MS + 405_000)], { name: "pendulum-2" }),
      ...[3, 4, 5, 6, 7].map((number) =>
        run(madeRun({ generations: 20 * number, seed: number }), { name: `pendulum-${number}` }),
      ),
    ]);
    await page.getByRole("heading", { name: "All runs" }).waitFor();
    for (let number = 1; number <= 7; number++) {
      await page.getByRole("row", { name: new RegExp(`^pendulum-${number} .*(of 400|of 200)`) }).waitFor();
    }
    // The rest of a browser's six connections is for the next tab, and for the list of runs.
    await expect.poll(() => server.openStreams).toBe(3);
    await keepPicture(page, "several-runs", false);
    await page.getByRole("tab", { name: "pendulum-6" }).click();
    await page.getByText("120 of 400").waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "pendulum-6" }).waitFor();
    await expect.poll(() => server.openStreams).toBe(3);
  });
});
