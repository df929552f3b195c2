interface Call {
  readonly name: string;
  readonly descriptor: string;
}

const BEGIN = /^(\d+) +(fsync|fdatasync|close)\((\d+)(.*)$/;
const RESUMED = /^(\d+) +<\.\.\. \w+ resumed>(.*)$/;

/**
 * Files that were synced again on the same descriptor after a failed fsync, from the log of a tracer that shows openat,
 * fsync and close. Linux reports a failure once and marks the pages clean: the second answer means nothing.
 */
export function repeatedSyncs(log: string): string[] {
  const repeated: string[] = [];
  const failed = new Set<string>();
  /** By thread: calls whose result comes on a later line. */
  const unfinished = new Map<string, Call>();
  const end = ({ name, descriptor }: Call, result: string): void => {
    if (name !== "close" && result.includes("= -1 ")) failed.add(descriptor);
  };
  for (const line of log.split("\n")) {
    const [, resumedThread = "", resumedResult = ""] = RESUMED.exec(line) ?? [];
    const resumed = unfinished.get(resumedThread);
    if (resumed !== undefined) end(resumed, resumedResult);
    unfinished.delete(resumedThread);
    const [, thread = "", name = "", descriptor = "", result = ""] = BEGIN.exec(line) ?? [];
    if (name === "") continue;
    if (name === "close") failed.delete(descriptor);
    else if (failed.has(descriptor)) repeated.push(`descriptor ${descriptor} is synced again after a failed fsync`);
    if (result.includes("<unfinished")) unfinished.set(thread, { name, descriptor });
    else end({ name, descriptor }, result);
  }
  return repeated;
}
