import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { EndGate } from "../../src/base/end-gate.ts";
import { randomId } from "../../src/base/ids.ts";
import { BufferAttachments } from "../../src/checkpoint/buffer-attachments.ts";
import { FileSaver } from "../../src/checkpoint/saver/file-saver.ts";
import type { SessionOptions } from "../../src/checkpoint/saver/session-options.ts";
import { SharedStatus } from "../../src/checkpoint/shared-status.ts";
import { readBufferFile } from "../../src/checkpoint/single-file.ts";
import { CorruptError, InvalidArgumentError, ReplayBuffer, stateHash } from "../../src/index.ts";
import { nodeFileSystem } from "../../src/store/node-file-system.ts";
import { interceptFileSystem } from "../../src/testing/intercept-file-system.ts";
import { addInline, addWindows, inlineBuffer, temporaryFolder, windowBuffer } from "./support.ts";

describe("a buffer in a file of its own", () => {
  it("is equal when it is loaded, generator and priorities included", async () => {
    const folder = await temporaryFolder();
    const buffers = {
      windows: windowBuffer({ prioritized: { alpha: 0.5, beta: 0.3 } }),
      inline: inlineBuffer(),
      empty: inlineBuffer(),
    };
    addWindows(buffers.windows, 150);
    addInline(buffers.inline, 20);
    buffers.windows.updatePriorities([149], [5]);
    buffers.inline.sample(3);
    for (const [name, buffer] of Object.entries(buffers)) {
      const path = join(folder, name);
      const hash = stateHash({ buffer });
      const saving = (buffer as typeof buffers.inline).save(path);
      if (buffer === buffers.inline) addInline(buffers.inline, 500);
      if (buffer === buffers.windows) addWindows(buffers.windows, 500);
      const { bytes } = await saving;
      expect((await readFile(path)).length).toBe(bytes);
      const loaded = await ReplayBuffer.load(path);
      expect(stateHash({ buffer: loaded })).toBe(hash);
      expect(loaded.capacity).toBe(64);
    }
  });

  it("replaces an older file, and removes what dead processes left", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "buffer.varve");
    const buffer = inlineBuffer();
    addInline(buffer, 5);
    await buffer.save(path);
    // The name of an unfinished file tells its process; no process has this number.
    const example = (await import("../../src/store/temporary-name.ts")).createTemporaryNames().next();
    const abandoned = example.replace(String(process.pid), "4194999");
    expect(abandoned).not.toBe(example);
    await writeFile(join(folder, abandoned), "half");
    await writeFile(join(folder, "mine.txt"), "kept");
    addInline(buffer, 5);
    await buffer.save(path);
    expect((await readdir(folder)).sort()).toEqual(["buffer.varve", "mine.txt"]);
    expect((await ReplayBuffer.load(path)).size).toBe(10);
  });

  it("keeps the existing file when the new one cannot be written", async () => {
    const folder = await temporaryFolder();
    const buffer = inlineBuffer();
    addInline(buffer, 5);
    await mkdir(join(folder, "taken"));
    await expect(buffer.save(join(folder, "taken"))).rejects.toMatchObject({ code: "VARVE_STORE" });
    await expect(buffer.save(join(folder, "nowhere", "buffer"))).rejects.toMatchObject({ code: "VARVE_STORE" });
    expect(await readdir(folder)).toEqual(["taken"]);
    addInline(buffer, 500);
    expect(buffer.stats().pinnedBytes).toBe(0);
    await expect(buffer.save("")).rejects.toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
    await expect(ReplayBuffer.load(join(folder, "absent"))).rejects.toMatchObject({
      code: "VARVE_STORE",
      kind: "not-found",
    });
  });

  it("is refused by name where no buffer can be what it says; a mistake in the program is not the file's", async () => {
    const path = join(await temporaryFolder(), "buffer");
    const buffer = inlineBuffer();
    addInline(buffer, 5);
    await buffer.save(path);
    const loadWith = async (error: Error): Promise<unknown> => {
      const saver = new FileSaver({
        start: { gate: new EndGate().memory },
        status: new SharedStatus(),
      } as unknown as SessionOptions);
      const context = { signal: new AbortController().signal, onProgress: () => undefined };
      const ask = <T>(call: Parameters<FileSaver["call"]>[0]): Promise<T> => saver.call(call, context) as Promise<T>;
      try {
        return await readBufferFile(path, ask, () => {
          throw error;
        });
      } finally {
        await saver.close();
      }
    };
    for (const error of [
      new RangeError("Array buffer allocation failed"),
      new InvalidArgumentError("capacity", "less", 2 ** 60),
      new CorruptError("meta", "it holds no state of a generator"),
    ]) {
      const refusal = { code: "VARVE_CORRUPT", objectName: path, cause: error };
      await expect(loadWith(error)).rejects.toMatchObject(refusal);
    }
    await expect(loadWith(new TypeError("a mistake"))).rejects.toThrow(TypeError);
  });

  it("lets go of its rows as soon as they are written: training may use their memory while priorities are encoded", async () => {
    const path = join(await temporaryFolder(), "buffer");
    let released: Int32Array = new Int32Array(1);
    /** At each write to the file: whether its rows are held. */
    const held: boolean[] = [];
    const files = interceptFileSystem(nodeFileSystem, ({ operation }, proceed) => {
      if (operation === "write") held.push(Atomics.load(released, 0) < snapshot.number);
      return proceed();
    });
    const outside = { status: new SharedStatus(), clock: systemClock, newId: randomId };
    const saver = new FileSaver(
      { start: { gate: new EndGate().memory }, ...outside } as unknown as SessionOptions,
      files,
    );
    const attachments = new BufferAttachments({
      post: (message) => {
        if (message.type === "attach") ({ released } = message);
        if (message.type !== "call" && message.type !== "cancel" && message.type !== "cloud") saver.handle(message);
      },
      ...{ maxPinnedBytes: 1e9, canWaitForSaves: false, wait: () => undefined },
      ...{ isRunning: () => true, onPressure: () => undefined },
    });
    const buffer = inlineBuffer({ prioritized: {} });
    addInline(buffer, 60);
    const { id, snapshot } = attachments.snapshot(buffer);
    await saver.save(path, saver.hold({ name: "default", id, snapshot }));
    await saver.close();
    attachments.detachAll();
    // The last two are its one page of priorities and the end of the file.
    expect(held.length).toBeGreaterThan(3);
    expect(held).toEqual(held.map((_, index) => index < held.length - 2));
    expect(stateHash({ buffer: await ReplayBuffer.load(path) })).toBe(stateHash({ buffer }));
  });

  it("is refused where it is damaged anywhere", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "buffer");
    const buffer = windowBuffer({ prioritized: {} });
    addWindows(buffer, 40);
    await buffer.save(path);
    const whole = await readFile(path);
    const damaged = [whole.subarray(0, -1), new Uint8Array(0)];
    for (let place = 0; place < whole.length; place += Math.ceil(whole.length / 7)) {
      damaged.push(whole.with(place, (whole[place] ?? 0) ^ 0x10));
    }
    damaged.push(whole.with(whole.length - 1, (whole.at(-1) ?? 0) ^ 1));
    const outcomes: string[] = [];
    for (const bytes of damaged) {
      await writeFile(path, bytes);
      const outcome = ReplayBuffer.load(path).then(
        (loaded) => (stateHash({ buffer: loaded }) === stateHash({ buffer }) ? "equal" : "wrong"),
        (error: { code: string }) => error.code,
      );
      outcomes.push(await outcome);
    }
    expect(outcomes.filter((outcome) => !["VARVE_CORRUPT", "VARVE_FORMAT_VERSION"].includes(outcome))).toEqual([]);
  });
});
