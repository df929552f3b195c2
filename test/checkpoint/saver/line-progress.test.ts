import { expect, it } from "vitest";
import { LineProgress } from "../../../src/checkpoint/saver/line-progress.ts";

it("counts no bytes between a failure and the next answer: a store may refuse whatever it was sent", () => {
  let moved = 100;
  const progress = new LineProgress(() => moved);
  moved += 10;
  expect(progress.bytes()).toBe(10);
  moved += 10;
  progress.failed();
  moved += 10;
  expect(progress.bytes()).toBe(10);
  moved += 10;
  progress.answered();
  expect(progress.bytes()).toBe(10);
  moved += 5;
  expect(progress.bytes()).toBe(15);
});
