// Reads vitest's JSON report: what passed, what failed, and which tests were skipped without leave.

export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

export interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[] | undefined;
    }[];
  }[];
}

const NATIVE_CRASH = /died of SIG(?:TRAP|SEGV|ABRT|BUS|ILL)/;

/**
 * Files in which a process was ended by a crash of Node itself: a test says so, or the tests after it never ran.
 * Everything else that fails is a failure.
 */
export function filesCutShort(
  report: VitestReport,
  expectedSkips: readonly string[],
  nameOf: (path: string) => string,
): readonly string[] {
  const isCut = ({ name, assertionResults }: VitestReport["testResults"][number]): boolean => {
    const failed = assertionResults.filter(({ status }) => status === "failed");
    if (failed.some(({ failureMessages = [] }) => !failureMessages.some((text) => NATIVE_CRASH.test(text))))
      return false;
    const neverRan = assertionResults.filter(
      ({ status, fullName }) =>
        status !== "passed" && status !== "failed" && !expectedSkips.includes(`${nameOf(name)} > ${fullName}`),
    );
    return failed.length + neverRan.length > 0;
  };
  return report.testResults.filter(isCut).map(({ name }) => nameOf(name));
}

/**
 * Counts a report. A file that failed before it had tests counts as one failure, and so does a skipped test that is
 * not expected to be.
 *
 * @param expectedSkips - "<file> > <full name of the test>"; a name may be skipped, it need not be
 */
export function tallyOf(
  report: VitestReport,
  expectedSkips: readonly string[],
  nameOf: (path: string) => string,
): { readonly tally: Tally; readonly unexpectedSkips: readonly string[] } {
  let passed = 0;
  let failed = 0;
  const unexpectedSkips: string[] = [];
  for (const file of report.testResults) {
    let failedHere = 0;
    for (const test of file.assertionResults) {
      const name = `${nameOf(file.name)} > ${test.fullName}`;
      if (test.status === "passed") passed++;
      else if (test.status === "failed") failedHere++;
      else if (!expectedSkips.includes(name)) unexpectedSkips.push(name);
    }
    if (file.status === "failed" && failedHere === 0) failedHere = 1;
    failed += failedHere;
  }
  const tally = { passed, failed: failed + unexpectedSkips.length };
  return { tally: passed + tally.failed === 0 ? { passed, failed: 1 } : tally, unexpectedSkips };
}
