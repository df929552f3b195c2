import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Checkpointer, createRandom } from "../../src/index.ts";
import { seedOfRun } from "../../test/fuzz/fuzz.ts";
import { type ChaosFault, startChaosProxy } from "../../test/servers/chaos-proxy.ts";
import { startS3Cloud } from "../../test/servers/s3/s3-cloud.ts";
import { scratchFolder } from "../../test-crash/support/medium.ts";
import { missing } from "../../test-crash/support/requirements.ts";
import { Summary } from "../../test-crash/support/summary.ts";
import { startSlowLine } from "./slow-line.ts";
import { fittedGrowth, type Soaked, type SoakTask, soak } from "./soak.ts";
import { createSoakBuffer, SOAK_PINNED_BYTES, wrongRows } from "./soak-content.ts";

const MEBIBYTE = 1024 * 1024;
const SECONDS = Number(process.env["VARVE_SOAK_SECONDS"] ?? 60);
const LINE_BYTES_PER_SECOND = 2 * MEBIBYTE;
/** Replaced blocks, copied state, and packs on their way, which the line to the store holds once more. */
const BUDGET_BYTES = 2 * SOAK_PINNED_BYTES + 32 * MEBIBYTE;
const MARGIN_BYTES = 64 * MEBIBYTE;
/**
 * Of a straight line over the second half. Where that is ten seconds, as in CI, a save that waits at their end and not at
 * their beginning is seen as growth, and may be as large as the budget (29 MiB once); otherwise noise was 10 MiB at most.
 */
const MOST_GROWTH_BYTES = SECONDS < 300 ? BUDGET_BYTES : 24 * MEBIBYTE;
/** As fast as it goes; and so that a save that has begun is encoded before half of the buffer is replaced. */
const FAST = 1e9;
const PACED = 30_000;
/** Away for three seconds of every twelve, from the fourth on. */
const isAway = (ms: number): boolean => ms % 12_000 > 4000 && ms % 12_000 < 7000;

const lacks = missing("soak", [], false);
const seed = seedOfRun(Date.now() % 2 ** 31);
const summary = new Summary("soak against a slow, failing store", "failed requests", seed);
const REPEAT = `repeat: VARVE_SEED=${seed} VARVE_SOAK_SECONDS=${SECONDS} npm run test:faults -- test-faults/soak`;

const folders: string[] = [];
afterAll(async () => {
  summary.tell(lacks === null ? 0 : 1);
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

const FAULTS: readonly ChaosFault[] = [
  { kind: "refused" },
  { kind: "request reset", atByte: 100_000 },
  { kind: "status", status: 500 },
  { kind: "status", status: 503 },
  { kind: "status", status: 429, retryAfter: 1 },
  { kind: "answer lost" },
  { kind: "answer reset", atByte: 10 },
  { kind: "request bit flipped", atByte: 50 },
];

interface Outcome extends Soaked {
  readonly failedRequests: number;
  readonly bytesCarried: number;
  /** What is wrong with the run in the end. */
  readonly problems: readonly string[];
}

/** Soaks a trainer whose store is behind a slow line that breaks a sixth of all requests, and now and then all. */
async function soakOnce(task: Omit<SoakTask, "store" | "local">, hasLocal: boolean): Promise<Outcome> {
  const folder = await scratchFolder("soak");
  folders.push(folder);
  const local = hasLocal ? join(folder, "local") : null;
  const cloud = await startS3Cloud();
  const proxy = await startChaosProxy(cloud.port);
  const line = await startSlowLine(proxy.port, LINE_BYTES_PER_SECOND);
  const place = cloud.newUrl();
  const urlAt = (port: number): string =>
    `${place}?endpoint=http://127.0.0.1:${port}&region=us-east-1&forcePathStyle=true`;
  const random = createRandom(seed);
  const startedAtMs = performance.now();
  let asked = 0;
  try {
    proxy.always(() => {
      if (isAway(performance.now() - startedAtMs)) return { kind: "refused" };
      // Every twelfth besides: a soak of few requests that chance spared would show nothing.
      asked++;
      const isStruck = asked % 12 === 0 || random.uniform() < 0.1;
      return isStruck ? (FAULTS[random.int(FAULTS.length)] ?? null) : null;
    });
    const soaked = await soak({ ...task, store: urlAt(line.port), local }, () => {
      proxy.always(null);
      line.setRate(Number.POSITIVE_INFINITY);
    });
    const problems = task.isUnlimited ? [] : await problemsOf(urlAt(cloud.port), soaked.end.committed);
    if (local !== null) problems.push(...(await problemsOf(local, soaked.end.durable)));
    return { ...soaked, failedRequests: proxy.met, bytesCarried: line.bytesCarried, problems };
  } finally {
    await line.close();
    await proxy.close();
    await cloud.close();
  }
}

async function problemsOf(store: string, acknowledged: number): Promise<string[]> {
  const checkpointer = await Checkpointer.open({ store, readOnly: true });
  try {
    const { isIntact } = await checkpointer.verify({ readData: true });
    const buffer = createSoakBuffer();
    const restored = await checkpointer.restore({ buffer });
    const problems = isIntact ? [] : [`${store} is damaged`];
    if (restored === null || restored.step < acknowledged) problems.push(`step ${acknowledged} is lost`);
    const wrong = restored === null ? null : wrongRows(buffer, restored.state.rows as number);
    if (wrong !== null) problems.push(wrong);
    return problems;
  } finally {
    await checkpointer.close();
  }
}

interface Memory {
  /** Beyond the process with its full buffer, before the first save. */
  readonly mostBytes: number;
  /** By a straight line through the second half of the samples. */
  readonly growthBytes: number;
}

function memoryOf({ memory, baseBytes }: Soaked): Memory {
  const half = memory.slice(Math.floor(memory.length / 2));
  return {
    mostBytes: Math.max(...memory.map(({ bytes }) => bytes)) - baseBytes,
    growthBytes: fittedGrowth(half),
  };
}

function tell(title: string, outcome: Outcome): void {
  const { end, baseBytes, failedRequests, bytesCarried, trained } = outcome;
  const { mostBytes, growthBytes } = memoryOf(outcome);
  const { memoryWaits, blockedMs, completed, failed, replaced, retries } = end.status;
  const mebibytes = (bytes: number): string => `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
  const behind = Math.max(...trained.map(({ status }) => status.behindBytes));
  console.log(
    `soak ${title}: RSS ${mebibytes(baseBytes)} before, at most ${mebibytes(mostBytes)} more (limit ${mebibytes(BUDGET_BYTES + MARGIN_BYTES)}), ` +
      `${mebibytes(growthBytes)} over the second half; ${end.rows} rows, ${end.step} saves: ${completed} durable, ` +
      `${replaced} replaced, ${failed} failed (${end.given} given up), ${end.unsaved} left out; ${memoryWaits} waits, ` +
      `${(blockedMs / 1000).toFixed(1)} s; ${mebibytes(bytesCarried)} sent, ${failedRequests} requests failed, ${retries} retries, ` +
      `degraded ${end.degraded} times, at most ${mebibytes(behind)} behind`,
  );
  summary.add(failedRequests);
}

/** What holds of every soak. */
function expectSound(outcome: Outcome): void {
  const { end, problems, trained, failedRequests } = outcome;
  expect(problems, REPEAT).toEqual([]);
  const { mostBytes, growthBytes } = memoryOf(outcome);
  expect(mostBytes, REPEAT).toBeLessThan(BUDGET_BYTES + MARGIN_BYTES);
  expect(growthBytes, REPEAT).toBeLessThan(MOST_GROWTH_BYTES);
  // The outage alone meets the requests under way, and one more for each try.
  expect(failedRequests, REPEAT).toBeGreaterThan(2);
  expect(end.status.retries).toBeGreaterThan(0);
  // Whatever became of saves, it is counted once, and nothing else is.
  const { completed, failed, skipped, replaced, pending } = end.status;
  expect(completed + failed + skipped + replaced, REPEAT).toBe(end.step);
  expect(pending).toBe(0);
  // Training went on to the end, and so did saving.
  const half = trained[Math.floor(trained.length / 2)];
  expect(end.rows).toBeGreaterThan(half?.rows ?? Number.POSITIVE_INFINITY);
  expect(end.committed).toBeGreaterThan(half?.committed ?? Number.POSITIVE_INFINITY);
}

describe.skipIf(lacks !== null)(
  "a store that is slower than what is saved, and fails",
  { timeout: SECONDS * 1000 + 300_000 },
  () => {
    const seconds = Math.max(6, SECONDS / 3);

    it("without a local folder, wait: training waits for memory, and no save fails", async () => {
      const outcome = await soakOnce({ seconds, policy: "wait", rowsPerSecond: FAST }, false);
      tell("without local, wait", outcome);
      expectSound(outcome);
      const { memoryWaits, blockedMs, replaced, failed } = outcome.end.status;
      expect({ waits: memoryWaits > 0, isTimed: blockedMs > 0, replaces: replaced > 0, failed }).toEqual({
        ...{ waits: true, isTimed: true, replaces: true, failed: 0 },
      });
    });

    it("without a local folder, abandon: saves are given up for memory, and are told as failed", async () => {
      const outcome = await soakOnce({ seconds, policy: "abandon", rowsPerSecond: PACED }, false);
      tell("without local, abandon", outcome);
      expectSound(outcome);
      const { end } = outcome;
      expect(end.given).toBeGreaterThan(0);
      expect(end.status).toMatchObject({ failed: end.given, lastError: "VARVE_MEMORY_PRESSURE" });
      expect(end.status.completed).toBeGreaterThan(0);
    });

    it("with a local folder: saves become durable there at their own pace, and what the store lacks is shown", async () => {
      const outcome = await soakOnce({ seconds, policy: "wait", rowsPerSecond: FAST }, true);
      tell("with local", outcome);
      expectSound(outcome);
      const { end, trained } = outcome;
      expect(end.status.failed).toBe(0);
      expect(end.durable).toBe(end.step);
      expect(trained.some(({ status }) => status.behind > 3 && status.behindBytes > 0 && status.behindMs > 0)).toBe(
        true,
      );
      // It ran ahead of the line, and the line was busy all the time.
      expect(trained.at(-1)?.durable).toBeGreaterThan(trained.at(-1)?.committed ?? 0);
    });
  },
);

describe.skipIf(lacks !== null)("planted bugs", () => {
  it("is caught: what saves hold is held without a limit", async () => {
    const outcome = await soakOnce({ seconds: 3, policy: "wait", rowsPerSecond: FAST, isUnlimited: true }, false);
    tell("planted: without limit", outcome);
    expect(memoryOf(outcome).mostBytes).toBeGreaterThan(BUDGET_BYTES + MARGIN_BYTES);
  });
});
