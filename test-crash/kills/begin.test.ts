import { describe } from "vitest";
import { sweepSuite } from "../support/sweep-suite.ts";

describe("kill -9 at every file call of a new run", () => {
  sweepSuite({
    title: "kill -9 at every file call of a new run",
    unit: "kill points",
    suite: "test-crash/kills/begin",
    disk: null,
    calls: { begin: ["open", "write", "sync", "close", "link", "rename", "unlink", "mkdir"] },
    planted: [{ bug: "in-place-write", phase: "begin", call: "write" }],
    leastPoints: 150,
  });
});
