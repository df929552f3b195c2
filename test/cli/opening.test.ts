import { expect, it } from "vitest";
import { opening } from "../../src/cli/opening.ts";
import { StoreError } from "../../src/errors.ts";
import { FakeTime } from "../transfer/fake-time.ts";

const URL = "s3://bucket/run?endpoint=http://127.0.0.1:1";

function watched() {
  const time = new FakeTime();
  const lines: string[] = [];
  const open = <Result>(work: () => Promise<Result>) =>
    opening({ warn: (text: string) => void lines.push(text) }, URL, work, (ms, signal) => time.sleep(ms, signal));
  return { time, lines, open };
}

it("says after a few seconds that a store has not answered, and at its failure how to find out why, with the whole URL", async () => {
  const { time, lines, open } = watched();
  const { promise, reject } = Promise.withResolvers<never>();
  const opened = open(() => promise);
  await time.advance(2_900);
  expect(lines).toEqual([]);
  await time.advance(200);
  expect(lines).toEqual([`${URL} has not answered yet; requests are tried again.`]);
  reject(new StoreError("network", "get", "varve.json", "ECONNREFUSED"));
  await expect(opened).rejects.toMatchObject({ code: "VARVE_STORE" });
  expect(lines[1]).toBe(`${URL} could not be used. What is wrong with it: varve doctor '${URL}'`);
});

it("says nothing where all is well, and nothing of the store where that is not at fault", async () => {
  const { time, lines, open } = watched();
  expect(await open(async () => 7)).toBe(7);
  await expect(
    open(async () => {
      throw new TypeError("no");
    }),
  ).rejects.toThrow("no");
  await time.advance(10_000);
  expect(lines).toEqual([]);
});
