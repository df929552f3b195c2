import { describe } from "vitest";
import { sweepSuite } from "../support/sweep-suite.ts";

describe("kill -9 at every file call of a run that is resumed and pruned", () => {
  sweepSuite({
    title: "kill -9 at every file call of a run that is resumed and pruned",
    unit: "kill points",
    suite: "test-crash/kills/resume",
    disk: null,
    // As in begin.test.ts, without those of close.
    calls: { resume: ["open", "write", "sync", "link", "rename", "unlink"] },
    planted: [],
    leastPoints: 150,
  });
});
