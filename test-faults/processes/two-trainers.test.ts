import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { folderWith, QUICK, runVarve, startVarve } from "../../test/cli/run-varve.ts";
import { type S3Cloud, startS3Cloud } from "../../test/servers/s3/s3-cloud.ts";
import { Summary } from "../../test-crash/support/summary.ts";

const REPEAT = "repeat: npm run test:faults -- test-faults/processes/two-trainers";

/** Seconds of training: the older one is stopped long before. */
const GENERATIONS = 400;

const summary = new Summary("two trainers of one run", "trainers replaced");
let cloud: S3Cloud;
beforeAll(async () => {
  cloud = await startS3Cloud();
});
afterAll(async () => {
  summary.tell();
  await cloud.close();
});

/** What goes with a failure: what was seen, and how to see it again. */
const context = (text: string): string => `${REPEAT}; ${text}`;

interface Place {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly store: string;
}

const places: Readonly<Record<string, () => Place>> = {
  "local disk": () => ({ cwd: folderWith(QUICK), env: {}, store: "run" }),
  S3: () => ({
    cwd: folderWith(QUICK),
    env: { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${cloud.port}`, AWS_REGION: "us-east-1" },
    store: cloud.newUrl(),
  }),
};

/** A trainer that has saved, and is held still; another that resumes its run and ends; then the first goes on. */
async function replaceStopped(place: Place, ...args: string[]) {
  const { cwd, env, store } = place;
  const older = startVarve(["train", "--store", store, "--json", ...args], { cwd, env });
  await older.saw("save 2 durable");
  older.child.kill("SIGSTOP");
  // Without the older one nothing changes: what is there now is what the newer one goes on from.
  const shown = await runVarve(["show", store, "--json"], { cwd, env });
  expect(shown.code, context(shown.stderr)).toBe(0);
  const until = String((JSON.parse(shown.stdout) as { step: number }).step + 5);
  const newer = await runVarve(["train", "--resume", "--store", store, "--generations", until, "--json"], { cwd, env });
  expect(newer.code, context(newer.stderr)).toBe(0);
  older.child.kill("SIGCONT");
  return { older: await older.finished, newer: JSON.parse(newer.stdout) as { stateHash: string; generations: number } };
}

const isSaidOnce = (stderr: string): boolean =>
  stderr.split("Writer 1 of this run was replaced by writer 2").length === 2;

describe.each(Object.keys(places))("two trainers of one run on %s", (where) => {
  test("the newer one goes on; the older one, woken up, says so once, ends if so told, and damages nothing", async () => {
    const place = (places[where] as () => Place)();
    const { older, newer } = await replaceStopped(place, "--generations", "100000", "--on-fenced", "stop");
    expect(older.code, context(older.stderr)).toBe(6);
    expect(isSaidOnce(older.stderr), context(older.stderr)).toBe(true);
    expect(older.stderr, REPEAT).toContain("Another process took the run over");
    expect(JSON.parse(older.stdout), REPEAT).toMatchObject({ finished: false, stoppedBy: null });
    const { cwd, env, store } = place;
    const verified = await runVarve(["verify", store, "--json"], { cwd, env });
    expect(verified.code, context(verified.stdout)).toBe(0);
    const again = await runVarve(["train", "--resume", "--store", store, "--json"], { cwd, env });
    expect(JSON.parse(again.stdout), context(again.stderr)).toMatchObject({
      stateHash: newer.stateHash,
      resumedFrom: newer.generations,
    });
    summary.add(1);
  });
});

test("the older one trains on unsaved unless told otherwise, and its end says that it was replaced", async () => {
  const place = (places["local disk"] as () => Place)();
  const { older } = await replaceStopped(place, "--generations", String(GENERATIONS));
  expect(older.code, context(older.stderr)).toBe(6);
  expect(isSaidOnce(older.stderr), context(older.stderr)).toBe(true);
  expect(JSON.parse(older.stdout), REPEAT).toMatchObject({ finished: true, generations: GENERATIONS });
  const names = readdirSync(join(place.cwd, "run", "checkpoints"));
  // Of the first epoch nothing came after what the second one went on from.
  const last = (epoch: string): number =>
    Math.max(...names.filter((name) => name.startsWith(epoch)).map((name) => Number(name.slice(9, 21))));
  expect(last("00000001"), REPEAT).toBeLessThan(last("00000002"));
  summary.add(1);
});
