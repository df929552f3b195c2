import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import type { Task } from "./fixtures/trains.ts";

export interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs `fixtures/trains.ts` in a process of its own until it ends. */
export function train(task: Task): Promise<Ended> {
  return runFixture("trains.ts", task);
}

/** Runs a fixture in a process of its own until it ends. */
export async function runFixture(name: string, task: unknown): Promise<Ended> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "fixtures", name)], {
    env: { ...process.env, VARVE_TEST_TASK: JSON.stringify(task) },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit") as Promise<[number | null]>,
  ]);
  return { code, output, errors };
}
