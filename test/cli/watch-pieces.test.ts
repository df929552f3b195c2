import { appendFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ConsoleOutput } from "../../src/cli/console-output.ts";
import { bar, linePlot, sparkline } from "../../src/cli/plots.ts";
import { recordLine } from "../../src/cli/record-lines.ts";
import { RecordTail } from "../../src/cli/record-tail.ts";
import { cutToWidth } from "../../src/cli/text-width.ts";
import { styleLine, viewLines } from "../../src/cli/watch-view.ts";
import { applyRecord, emptyView } from "../../src/record/run-view.ts";
import { END, status } from "../record/sample-records.ts";
import { temporaryFolder } from "./run-varve.ts";

const warning = (message: string): string => `${JSON.stringify({ event: "warning", atMs: 1, message })}\n`;

/** What a look gives: the messages, after "reset" where the file begins again. */
async function lookAt(tail: RecordTail): Promise<string[]> {
  const heard: string[] = [];
  await tail.read({
    onReset: () => heard.push("reset"),
    onRecord: (record) => heard.push(record.event === "warning" ? record.message : record.event),
  });
  return heard;
}

describe("following a log", () => {
  test("waits for the file, and for the end of a line that is being written", async () => {
    const path = join(temporaryFolder(), "metrics.jsonl");
    const tail = new RecordTail(path);
    expect(await lookAt(tail)).toEqual([]);
    const line = warning("whole ü");
    writeFileSync(path, warning("first") + line.slice(0, 20));
    expect(await lookAt(tail)).toEqual(["first"]);
    // In the middle of the two bytes of ü.
    const rest = Buffer.from(line.slice(20));
    const cut = rest.indexOf(0xc3) + 1;
    appendFileSync(path, rest.subarray(0, cut));
    expect(await lookAt(tail)).toEqual([]);
    appendFileSync(path, rest.subarray(cut));
    expect(await lookAt(tail)).toEqual(["whole ü"]);
    expect([await lookAt(tail), tail.unreadable]).toEqual([[], 0]);
  });

  test("begins again where the file was cut off, replaced or removed", async () => {
    const path = join(temporaryFolder(), "metrics.jsonl");
    writeFileSync(path, warning("a") + warning("b"));
    const tail = new RecordTail(path);
    expect(await lookAt(tail)).toEqual(["a", "b"]);
    truncateSync(path, warning("a").length);
    expect(await lookAt(tail)).toEqual(["reset", "a"]);
    const longer = "another, and longer than what was read of the one before";
    writeFileSync(`${path}.new`, warning(longer));
    renameSync(`${path}.new`, path);
    expect(await lookAt(tail)).toEqual(["reset", longer]);
    renameSync(path, `${path}.old`);
    expect(await lookAt(tail)).toEqual(["reset"]);
    expect(await lookAt(tail)).toEqual([]);
  });

  test("ends between two parts of a long file when it is told to, and goes on from there", async () => {
    const path = join(temporaryFolder(), "metrics.jsonl");
    writeFileSync(path, warning("x".repeat(1000)).repeat(1000));
    const tail = new RecordTail(path);
    const stop = new AbortController();
    let heard = 0;
    const onRecord = (): void => {
      heard += 1;
      if (heard === 1) stop.abort();
    };
    await expect(tail.read({ onReset: () => undefined, onRecord }, stop.signal)).rejects.toThrow("abort");
    expect(heard).toBeLessThan(300);
    await tail.read({ onReset: () => undefined, onRecord });
    expect(heard).toBe(1000);
  });

  test("counts what is no record that it knows", async () => {
    const path = join(temporaryFolder(), "metrics.jsonl");
    const wrong = '{"event":"generation","generation":"seven"}\n';
    writeFileSync(path, `{"event":"later"}\nnot json\n${wrong}\n${"x".repeat(2 * 2 ** 20)}\n${warning("last")}`);
    const tail = new RecordTail(path);
    expect([await lookAt(tail), tail.unreadable]).toEqual([["last"], 4]);
  });
});

describe("plots", () => {
  test("a sparkline has the lowest and the highest block where the values are so, and gaps for NaN", () => {
    expect(sparkline([0, 7, Number.NaN, 3.4], 10)).toBe("▁█ ▄");
    expect(sparkline([5, 5], 10)).toBe("▅▅");
    expect(sparkline([1, 1, 9, 9], 2)).toBe("▁█");
    expect(sparkline([], 10)).toBe("");
  });

  test("a bar is as full as its share, and never longer than its width", () => {
    expect([bar(0.5, 4), bar(7, 4), bar(-1, 4), bar(Number.NaN, 4)]).toEqual(["██░░", "████", "░░░░", "░░░░"]);
  });

  test("a plot goes from the lower left to the upper right where values rise", () => {
    expect(linePlot([0, 1, 2, 3], 2, 1)).toEqual(["⡠⠊"]);
    expect(linePlot([3, 3], 2, 1)).toEqual(["⠤⠤"]);
    expect(linePlot([], 2, 2)).toEqual(["⠀⠀", "⠀⠀"]);
    const [top = "", bottom = ""] = linePlot([0, 1], 10, 2);
    expect([top.startsWith("⠀⠀⠀⠀"), bottom.endsWith("⠀⠀⠀⠀")]).toEqual([true, true]);
  });

  test("a step is a vertical line", () => {
    const rows = linePlot([0, 0, 9, 9], 2, 3);
    expect(rows.every((row) => row !== "⠀⠀")).toBe(true);
  });
});

const GENERATION = {
  ...{ event: "generation", atMs: 1, generations: 40, frames: 10, fitnessMax: 9, fitnessSpread: 1, validation: 2.5 },
  ...{ bufferSize: 500, bufferCapacity: 1000, learningStarts: 10, criticLoss: 0.5, gradientSteps: 3 },
  buffer: { added: 500, uniqueFrames: 12, logicalBytes: 2e6, residentBytes: 1e6, pinnedBytes: 0 },
  ...{ evaluateMs: 1, learnMs: 1, evolveMs: 1, generationMs: 1000, blockedMs: 0, saved: true },
} as const;

const EVIL = "evil \u001b[2J\nline \u202e";
const HINT = { code: "VARVE_STORE", message: EVIL, hint: "varve doctor it" };

function viewOf(generations: number) {
  const view = emptyView();
  applyRecord(view, { event: "start", atMs: 0, config: { environment: EVIL } as never });
  for (let generation = 1; generation <= generations; generation++) {
    applyRecord(view, { ...GENERATION, generation, fitnessMean: Math.sin(generation) } as never);
  }
  applyRecord(view, { event: "failed", atMs: 2, step: 3, sequence: 3, error: HINT });
  applyRecord(view, { event: "degraded", atMs: 2, store: "gs://b/x", behind: 1, error: HINT });
  return view;
}

const FRAME = { place: "runs/x", unlisted: null, unreadable: 2, hasLog: true };

describe("the view", () => {
  test.each([
    [80, 24],
    [40, 10],
    [20, 3],
    [200, 60],
    [1, 1],
  ])("fits a terminal of %d columns and %d rows, and says nothing to it", (width, height) => {
    const { style } = new ConsoleOutput();
    const lines = viewLines(viewOf(40), { ...FRAME, width, height });
    expect(lines.length).toBeLessThanOrEqual(height);
    for (const line of lines) {
      expect(styleLine(line, width, style).length).toBeLessThanOrEqual(width);
      expect(line.text).not.toMatch(/[\p{Cc}\u202e]/u);
    }
  });

  test("tells blocked time, fitness, buffer, saves, errors with their hints, and lines that were lost", () => {
    const text = viewLines(viewOf(40), { ...FRAME, width: 200, height: Number.POSITIVE_INFINITY })
      .map((line) => line.text)
      .join("\n");
    expect(text).toMatch(/^blocked {4}0 ms by saving/m);
    expect(text).toMatch(/^fitness {4}mean 0.75, max 9.00/m);
    expect(text).toMatch(/^validation 2.50 ▅+$/m);
    expect(text).toMatch(/^buffer {5}█{12}░{12} 500 of 1,000, 12 unique frames, 1.00 MB resident for 2.00 MB$/m);
    expect(text).toMatch(/^problem {4}save 3: evil .*\[VARVE_STORE\] → varve doctor it$/m);
    expect(text).toMatch(/^log {8}2 lines could not be read$/m);
  });

  test("tells what is being sent, pack by pack", () => {
    const view = viewOf(1);
    const job = { bytesTotal: 8e6, bytesPerSecond: 1e6, etaMs: 6000, retries: 2, bytesDone: 2e6 };
    const jobs = Array.from({ length: 6 }, (_, index) => ({ ...job, name: `packs/${index}${EVIL}` }));
    const total = { waiting: 9, running: 6, bytesDone: 1e6, bytesTotal: 9e7, bytesPerSecond: 6e6, etaMs: 15_000 };
    const record = status({ upload: { ...total, retries: 12, jobs }, behind: 1, behindBytes: 1 });
    applyRecord(view, record);
    const textOf = () =>
      viewLines(view, { ...FRAME, width: 200, height: Number.POSITIVE_INFINITY })
        .map((line) => line.text)
        .join("\n");
    expect(textOf()).toMatch(
      /^ {11}█{6}░{18} 2.00 MB of 8.00 MB, 1.00 MB\/s, ETA 6.0 s, 2 × tried again: packs\/3evil .*line .u202e$/m,
    );
    expect(textOf()).toMatch(/^ {11}and 2 more$/m);
    applyRecord(view, END);
    expect(textOf()).not.toContain("packs/3evil");
  });

  test("a fitness that is not finite is shown as such, and leaves a gap", () => {
    const view = viewOf(2);
    applyRecord(view, { ...GENERATION, generation: 3, fitnessMean: Number.NaN } as never);
    const text = viewLines(view, { ...FRAME, width: 80, height: 24 }).map((line) => line.text);
    expect(text.find((line) => line.startsWith("fitness"))).toContain("mean NaN, max 9.00");
    const alone = emptyView();
    for (const generation of [1, 2]) {
      applyRecord(alone, { ...GENERATION, generation, fitnessMean: Number.NaN } as never);
    }
    const lines = viewLines(alone, { ...FRAME, width: 80, height: 24 }).map((line) => line.text);
    expect(lines.filter((line) => /^ +0\.00 /.test(line))).toEqual([]);
  });
});

describe("cutting to a width", () => {
  test.each([
    ["all that fits", 13, "all that fits"],
    ["all that fits", 12, "all that fi…"],
    ["強化学習の実験", 14, "強化学習の実験"],
    ["強化学習の実験", 13, "強化学習の実…"],
    ["強化学習の実験", 6, "強化…"],
    // One grapheme of seven code points.
    ["run 👨‍👩‍👧‍👦!", 7, "run 👨‍👩‍👧‍👦!"],
    ["run 👨‍👩‍👧‍👦!", 6, "run …"],
    ["e\u0301te\u0301s", 4, "e\u0301te\u0301s"],
    ["░█⡠▁…", 5, "░█⡠▁…"],
    ["x", 0, ""],
  ])("%s to %d columns", (text, width, cut) => {
    expect(cutToWidth(text, width)).toBe(cut);
  });
});

describe("lines", () => {
  test("texts out of a log cannot forge a line", () => {
    const line = recordLine({ event: "failed", atMs: 1, step: 1, sequence: 1, error: HINT });
    expect(line).toBe("save 1 (step 1) FAILED: evil \\u001b[2J\\nline \\u202e [VARVE_STORE] → varve doctor it");
  });
});
