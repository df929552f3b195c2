import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const SCRIPT = fileURLToPath(new URL("./fixtures/dropped-buffers.ts", import.meta.url));

it("a checkpointer does not keep buffers alive that the user has dropped", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", SCRIPT]);
  const { early, late } = JSON.parse(stdout) as { early: number; late: number };
  // 30 buffers of 11 MB came and went in between: kept, they would be 330 MB.
  expect(late - early).toBeLessThan(165);
});
