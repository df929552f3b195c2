import { join } from "node:path";
import { expect, it } from "vitest";
import { ReplayBuffer, stateHash } from "../../../src/index.ts";
import { train } from "./child.ts";
import type { Task } from "./fixtures/trains.ts";
import { localPlace } from "./places.ts";

async function end(ending: Task["ending"]) {
  const { folder, options, names } = await localPlace();
  const localPath = join(folder, "buffer.varve");
  const { code, output, errors } = await train({
    cloud: { ...options, log: false },
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

it("does not wait for ever for what is paused, and has saved it", async () => {
  expect(await end("paused")).toMatchObject({ code: 0, errors: "", uploaded: [], isWhole: true });
});
