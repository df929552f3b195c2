import { describe } from "vitest";
import { sweepSuite } from "../support/sweep-suite.ts";

describe("loss of power on ext4", () => {
  sweepSuite({
    title: "loss of power on ext4",
    unit: "power cuts",
    suite: "test-crash/power/ext4",
    disk: "ext4",
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
