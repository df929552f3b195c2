import { describe } from "vitest";
import { sweepSuite } from "../support/sweep-suite.ts";

describe("kill -9 at every file call of a new run", () => {
  sweepSuite({
    title: "kill -9 at every file call of a new run",
    unit: "kill points",
    suite: "test-crash/kills/begin",
    disk: null,
    // On entry to close nothing has changed since the call before it.
    calls: { begin: ["open", "write", "sync", "link", "rename", "unlink", "mkdir"] },
    planted: [{ bug: "in-place-write", phase: "begin", call: "write" }],
    leastPoints: 140,
  });
});
