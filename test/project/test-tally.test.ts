import { describe, expect, it } from "vitest";
import { filesCutShort, tallyOf } from "../../tools/test-tally.ts";

const file = (status: string, ...statuses: readonly string[]) => ({
  name: "/x/test/a.test.ts",
  status,
  assertionResults: statuses.map((each, index) => ({ status: each, fullName: `test ${index}` })),
});

const nameOf = (path: string) => path.replace("/x/", "");
const tally = (files: readonly ReturnType<typeof file>[], expectedSkips: readonly string[] = []) =>
  tallyOf({ testResults: files }, expectedSkips, nameOf);

describe("the tally of a test run", () => {
  it("counts what passed and what failed over all files", () => {
    const result = tally([file("passed", "passed", "passed"), file("failed", "passed", "failed")]);
    expect(result).toEqual({ tally: { passed: 3, failed: 1 }, unexpectedSkips: [] });
  });

  it.each(["skipped", "pending", "todo"])("takes a test that is %s for a failure", (status) => {
    const result = tally([file("passed", "passed", status)]);
    expect(result).toEqual({ tally: { passed: 1, failed: 1 }, unexpectedSkips: ["test/a.test.ts > test 1"] });
  });

  it("leaves a skipped test be that is expected to be", () => {
    const result = tally([file("passed", "passed", "skipped")], ["test/a.test.ts > test 1"]);
    expect(result).toEqual({ tally: { passed: 1, failed: 0 }, unexpectedSkips: [] });
  });

  it("leaves a file be of which every test is expected to be skipped", () => {
    const result = tally([file("skipped", "skipped"), file("passed", "passed")], ["test/a.test.ts > test 0"]);
    expect(result.tally).toEqual({ passed: 1, failed: 0 });
  });

  it("counts a file that failed before it had tests as one failure", () => {
    expect(tally([file("failed"), file("passed", "passed")]).tally).toEqual({ passed: 1, failed: 1 });
  });

  it("counts a file that failed outside of its tests as one failure", () => {
    expect(tally([file("failed", "passed")]).tally).toEqual({ passed: 1, failed: 1 });
  });

  it("takes a run without tests for a failure", () => {
    expect(tally([]).tally).toEqual({ passed: 0, failed: 1 });
  });
});

describe("files that a crash of Node cut short", () => {
  const cut = (files: Parameters<typeof filesCutShort>[0]["testResults"], expectedSkips: readonly string[] = []) =>
    filesCutShort({ testResults: files }, expectedSkips, nameOf);
  const failing = (...failureMessages: readonly string[]) => ({
    ...{ name: "/x/test/a.test.ts", status: "failed" },
    assertionResults: [
      { status: "passed", fullName: "test 0" },
      { status: "failed", fullName: "test 1", failureMessages },
    ],
  });

  it("are those whose tests never ran, and those in which a process died", () => {
    expect(cut([file("passed", "passed", "skipped")])).toEqual(["test/a.test.ts"]);
    expect(cut([failing("Error: loop.ts died of SIGSEGV: ")])).toEqual(["test/a.test.ts"]);
  });

  it("are none that failed, passed, or may be skipped", () => {
    expect(cut([failing("AssertionError: expected 1 to be 2")])).toEqual([]);
    expect(cut([failing("Error: loop.ts died of SIGTERM: ")])).toEqual([]);
    expect(cut([file("passed", "passed", "passed")])).toEqual([]);
    expect(cut([file("failed", "failed", "skipped")])).toEqual([]);
    expect(cut([file("passed", "passed", "skipped")], ["test/a.test.ts > test 1"])).toEqual([]);
  });
});
