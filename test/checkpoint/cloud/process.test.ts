import { join } from "node:path";
import { expect, it } from "vitest";
import { ReplayBuffer, stateHash } from "../../../src/index.ts";
import { runFixture, train } from "./child.ts";
import type { Task } from "./fixtures/trains.ts";
import { localPlace } from "./places.ts";

async function end(ending: Task["ending"], log: Task["cloud"]["log"] = false) {
  const { folder, options, names } = await localPlace();
  const localPath = join(folder, "buffer.varve");
  const { code, output, errors } = await train({
    cloud: { ...options, log },
    shape: [32, 16, 4],
    ...{ localPath, ending, isHashed: true },
  });
  const [first = ""] = output.split("\n");
  const uploaded = await names("project/");
  const buffer = await ReplayBuffer.load(localPath);
  const isWhole = stateHash({ buffer }) === (JSON.parse(first) as { hash: string }).hash;
  return { code, errors, output, uploaded, isWhole };
}

it("saves the buffer of the call while training goes on in a loop that never yields", async () => {
  expect(await end("loop")).toMatchObject({ code: 0, errors: "", uploaded: ["project/buffer.varve"], isWhole: true });
});

it("waits for pending uploads at the natural end of the process", async () => {
  expect(await end("end")).toMatchObject({ code: 0, errors: "", uploaded: ["project/buffer.varve"], isWhole: true });
});

it("waits for the local file, and not for the upload, on process.exit", async () => {
  expect(await end("exit")).toMatchObject({ code: 3, errors: "", isWhole: true });
});

it("keeps no process alive when idle", async () => {
  expect(await end("idle")).toMatchObject({ code: 0, errors: "", output: expect.stringMatching(/\nfinished\n$/) });
});

it("does not wait for ever for what is paused, has saved it, and says what was not sent", async () => {
  const ended = await end("paused", "stderr");
  expect(ended).toMatchObject({ code: 0, uploaded: [], isWhole: true });
  const lines = ended.errors.split("\n");
  expect(lines.slice(2)).toEqual([
    expect.stringMatching(
      /^varve: WARNING: 1 upload not sent \(1 paused\): .*buffer\.varve\. What is on local disk is kept: upload it again/,
    ),
    "",
  ]);
});

it("says what was not sent at process.exit", async () => {
  const { errors, uploaded } = await end("exit", "stderr");
  // As fast as a folder is, it may have been sent after all.
  if (uploaded.length === 0) expect(errors).toMatch(/WARNING: 1 upload not sent: .*buffer\.varve\. What is on/);
});

it("does not wait for ever for the rest of a directory that is paused in the middle", async () => {
  const { folder, options, names } = await localPlace();
  const { code, errors } = await runFixture("pauses.ts", { cloud: options, folder: join(folder, "files") });
  expect(code).toBe(0);
  expect(errors).toMatch(/WARNING: 1 upload not sent \(1 paused\): .*files\. What is on local disk/);
  const sent = await names("directory/");
  expect(sent.length).toBeGreaterThan(0);
  expect(sent.length).toBeLessThan(50);
});
