import { describe } from "vitest";
import { sweepSuite } from "../support/sweep-suite.ts";

describe("loss of power on XFS", () => {
  sweepSuite({
    title: "loss of power on XFS",
    unit: "power cuts",
    suite: "test-crash/power/xfs",
    disk: "xfs",
    calls: {
      begin: ["write", "sync", "link", "rename", "mkdir"],
      resume: ["write", "sync", "link", "rename", "unlink"],
    },
    planted: [
      { bug: "no-fsync", phase: "begin", call: "write" },
      { bug: "no-folder-fsync", phase: "begin", call: "write" },
    ],
    leastPoints: 100,
  });
});
