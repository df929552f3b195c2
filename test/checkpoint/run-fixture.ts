import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

export interface FixtureOutcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a program of `fixtures/` to its end, as a process of its own. */
export async function runFixture(fixture: string, ...args: string[]): Promise<FixtureOutcome> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "fixtures", fixture), ...args]);
  const [output, errors, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  // Of Node itself: CI knows it by these words.
  if (signal !== null && signal !== "SIGKILL") throw new Error(`${fixture} died of ${signal}: ${errors}`);
  return { code, output, errors };
}
