import { describe, expect, it } from "vitest";
import { formatShare, formatSpan, formatTick } from "../../../src/dashboard/page/page-format.ts";
import { bufferFacts } from "../../../src/dashboard/page/plot-columns.ts";
import { isTraining, phaseOf } from "../../../src/dashboard/page/run-model.ts";
import { bannerOf } from "../../../src/dashboard/page/run-words.ts";
import { jobFacts, storeFacts, uploadFacts } from "../../../src/dashboard/page/store-facts.ts";
import { summaryOf } from "../../../src/dashboard/page/summary.ts";
import { blockedTimeOf } from "../../../src/record/blocked-time.ts";
import { checkpoint, ERROR, failed, generation, modelOf, queued, resume, start, status } from "./records.ts";

const END = { event: "end", atMs: 9000, generations: 40, finished: true, stateHash: "" } as const;
const AWAY = { event: "degraded", atMs: 100, store: "s3://runs/a", error: ERROR, behind: 1 } as const;

describe("where a run stands", () => {
  it.each([
    ["empty", modelOf(), false],
    ["stored", modelOf({ event: "checkpoints", atMs: 1, checkpoints: [checkpoint(1)] }), false],
    ["training", modelOf(start(0)), true],
    ["silent", modelOf(start(0)), false],
    ["finished", modelOf(start(0), END), false],
    ["stopped", modelOf(start(0), { ...END, finished: false }), false],
    ["training", modelOf(start(0), END, resume(9500, 40)), true],
  ] as const)("is %s", (phase, model, isInTraining) => {
    expect(phaseOf(model, isInTraining)).toBe(phase);
  });

  it("is training as long as its log grows, whoever's process it is", () => {
    const model = modelOf(start(0), generation(1, 100_000));
    expect(isTraining(model, false, 150_000)).toBe(true);
    expect(isTraining(model, false, 900_000)).toBe(false);
    expect(isTraining(model, true, 900_000)).toBe(true);
    expect(isTraining(modelOf(start(0), END), true, 9001)).toBe(false);
  });
});

describe("the banner", () => {
  const input = {
    model: modelOf(start(0)),
    isInTraining: true,
    streamState: "live",
    lostAtMs: null,
    isRefused: false,
  } as const;

  it("is none while all is well", () => {
    expect(bannerOf(input)).toBeNull();
  });

  it("says that the store is away, and what to do, until it is back", () => {
    expect(bannerOf({ ...input, model: modelOf(start(0), AWAY) })).toMatchObject({ tone: "bad", hint: ERROR.hint });
    const back = { event: "recovered", atMs: 200, store: "s3://runs/a", behind: 0, awayMs: 100 } as const;
    const model = modelOf(start(0), AWAY, back);
    expect(bannerOf({ ...input, model })).toBeNull();
    expect(model.aways).toEqual([{ fromMs: 100, toMs: 200 }]);
  });

  it("says that the connection is lost, above all else, unless the run had ended", () => {
    const lost = { ...input, streamState: "lost", lostAtMs: 5 } as const;
    expect(bannerOf({ ...lost, model: modelOf(start(0), AWAY) })?.title).toBe("Connection lost");
    expect(bannerOf({ ...lost, model: modelOf(start(0), END) })).toMatchObject({ tone: "calm" });
    expect(bannerOf({ ...lost, isRefused: true })?.hint).toMatch(/token/);
  });
});

describe("the time that training was blocked", () => {
  it("is that of all processes, of the newest with its waits for memory", () => {
    const model = modelOf(
      ...[start(0), queued(1, 100, 2), generation(1, 101)],
      ...[resume(500, 1), queued(2, 600, 1), generation(2, 601), status(602, { blockedMs: 5, longestBlockMs: 4 })],
    );
    expect(blockedTimeOf(model.view)).toEqual({ totalMs: 7, longestMs: 4, share: 7 / 200 });
  });

  it("is that of the saves where no status was told", () => {
    expect(blockedTimeOf(modelOf(start(0), queued(1, 100, 2), queued(2, 200, 3)).view)).toEqual({
      ...{ totalMs: 5, longestMs: 3, share: null },
    });
  });
});

describe("what is told in numbers", () => {
  it("begins with what was blocked, and marks what is bad", () => {
    const model = modelOf(
      start(0),
      queued(1, 100, 2),
      failed(1, 200),
      status(300, { blockedMs: 2, longestBlockMs: 2 }),
    );
    const figures = summaryOf(model, false);
    expect(figures.map(({ label, value, isBad }) => [label, value, isBad])).toEqual([
      ["Training blocked", "2 ms", false],
      ["Longest block", "2 ms", false],
      ["Generation", "0 of 40", false],
      ["Fitness, max", "–", false],
      ["Checkpoints", "0", true],
      ["Store behind by", "0", false],
    ]);
  });

  it("has uploads with rate and time left while some are under way", () => {
    const upload = {
      waiting: 3,
      running: 4,
      bytesDone: 250,
      bytesTotal: 1000,
      bytesPerSecond: 2e6,
      etaMs: 90_000,
      retries: 2,
      jobs: [],
    };
    const { share, facts } = uploadFacts(status(0, { upload }));
    expect(share).toBe(0.25);
    expect(Object.fromEntries(facts)).toEqual({
      Packs: "4 under way, 3 waiting",
      Sent: "250 B of 1.00 kB",
      Rate: "2.00 MB/s",
      "Time left": "1 min 30 s",
      Retries: "2",
    });
    expect(uploadFacts(status(0)).share).toBeNull();
  });

  it("has each pack under way, and says so of one that waits", () => {
    const job = { name: `packs/00000003-${"0123456789abcdef".repeat(4)}.pack`, bytesTotal: 8e6, retries: 0 };
    expect(jobFacts({ ...job, bytesDone: 2e6, bytesPerSecond: 1e6, etaMs: 6000 })).toEqual({
      name: "packs/00000003-0123456789a….pack",
      share: 0.25,
      text: "2.00 MB of 8.00 MB · 1.00 MB/s · 6 s left",
    });
    expect(jobFacts({ ...job, bytesDone: 0, bytesPerSecond: 0, etaMs: null, retries: 3 })).toMatchObject({
      share: 0,
      text: "0 B of 8.00 MB · 0 B/s · waits · 3 × tried again",
    });
    expect(jobFacts({ ...job, bytesTotal: 0, bytesDone: 0, bytesPerSecond: 0, etaMs: null }).share).toBe(0);
  });

  it("has what the store lacks and what was asked of it", () => {
    const requestsByKind = { put: 10, get: 2, head: 1, list: 1, delete: 0 };
    const facts = Object.fromEntries(
      storeFacts(status(0, { behind: 2, behindBytes: 3e6, behindMs: 4000, requestsByKind, bytesUpInVain: 5e6 })),
    );
    expect(facts["Checkpoints it lacks"]).toBe("2 (3.00 MB), oldest 4 s");
    expect(facts["Requests"]).toBe("14: put 10, get 2, head 1, list 1, delete 0");
    expect(facts["Sent"]).toBe("0 B, up to 5.00 MB more in vain");
  });

  it("has the buffer's fill, turnover and bytes", () => {
    const { fill, facts } = bufferFacts(generation(1, 100));
    expect(fill).toBe(0.5);
    expect(Object.fromEntries(facts)).toEqual({
      Fill: "500 of 1,000 transitions (50 %)",
      Turnover: "2.50 ×, 2,500 added",
      "Unique frames": "40",
      Logical: "8.00 MB, each transition by itself",
      Resident: "2.00 MB, 4.0 × smaller",
      "Of it kept for saves": "1.00 kB",
    });
  });

  it.each([
    [formatSpan(59_400), "59 s"],
    [formatSpan(125_000), "2 min 5 s"],
    [formatSpan(7_500_000), "2 h 5 min"],
    [formatSpan(-5), "0 s"],
    [formatShare(0.000021), "0.0021 %"],
    [formatShare(0.42), "42 %"],
    [formatTick(-200), "-200"],
    [formatTick(0.5), "0.50"],
  ])("reads %s", (text, expected) => {
    expect(text).toBe(expected);
  });
});
