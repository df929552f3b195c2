import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/base/hash.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const fixture = (name: string): string => join(import.meta.dirname, "fixtures", name);

describe("several processes", () => {
  it("lets exactly one of two processes create each object", async () => {
    const folder = await temporaryFolder();
    const race = async (writer: string): Promise<number[]> => {
      const args = [fixture("race-create.ts"), folder, writer, "200"];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      return JSON.parse(stdout) as number[];
    };
    const [first, second] = await Promise.all([race("first"), race("second")]);
    expect([...first, ...second].sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, index) => index));
    const store = createLocalStore(folder);
    for (const [writer, ids] of Object.entries({ first, second })) {
      for (const id of ids) {
        const got = await store.get(`writers/${id}.json`);
        expect(new TextDecoder().decode(got ?? undefined)).toBe(`${writer} `.repeat(1000));
      }
    }
  });

  it("shows no partial object and loses none that was acknowledged when the writer is killed", async () => {
    const folder = await temporaryFolder();
    const acknowledged: string[] = [];
    for (const killAfter of [1, 3, 7, 15, 25]) {
      acknowledged.push(...(await killWriterAfter(folder, killAfter)));
      const store = createLocalStore(folder);
      const seen: string[] = [];
      for await (const { name } of store.list("packs/")) {
        seen.push(name);
        const bytes = await store.get(name);
        expect(`packs/${sha256Hex(bytes ?? new Uint8Array(0))}.pack`).toBe(name);
      }
      expect(seen).toEqual(expect.arrayContaining(acknowledged));
    }
    await createLocalStore(folder).openForWriting();
    expect((await readdir(join(folder, "packs"))).filter((name) => name.startsWith("."))).toEqual([]);
  });
});

/** Kills a writer as soon as it has acknowledged that many objects; returns their names. */
async function killWriterAfter(folder: string, count: number): Promise<string[]> {
  const writer = spawn(process.execPath, [fixture("put-for-ever.ts"), folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(writer, "exit");
  const names: string[] = [];
  for await (const line of createInterface({ input: writer.stdout })) {
    names.push(line);
    if (names.length === count) writer.kill("SIGKILL");
  }
  await exited;
  return names;
}
