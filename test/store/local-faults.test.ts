import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/errors.ts";
import type { FileSystem } from "../../src/store/file-system.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { CrashFileSystem } from "../../src/testing/crash-file-system.ts";
import { crashStates } from "../../src/testing/crash-states.ts";
import { emptyImage } from "../../src/testing/disk-image.ts";
import {
  type FileCall,
  fileError,
  interceptFileSystem,
  recordFileCalls,
} from "../../src/testing/intercept-file-system.ts";

const RUN = "/runs/run-1";
const KINDS: Readonly<Record<string, string>> = { EIO: "io", ENOSPC: "no-space", EMFILE: "busy", EACCES: "permission" };

const one = new Uint8Array(100).fill(1);
const two = new Uint8Array(100).fill(2);

/** A run with one acknowledged object. */
async function diskWithOne(): Promise<CrashFileSystem> {
  // Always at the same time, so that a request that works has the same answer.
  const disk = new CrashFileSystem(emptyImage(), { now: () => 1e12, monotonicMs: () => 0 });
  await createLocalStore(RUN, { fileSystem: disk }).put("packs/1.pack", one, { ifAbsent: true });
  disk.note("one");
  return disk;
}

type Request = (fileSystem: FileSystem) => Promise<unknown>;

const REQUESTS: Readonly<Record<string, Request>> = {
  create: (fileSystem) => createLocalStore(RUN, { fileSystem }).put("packs/2.pack", two, { ifAbsent: true }),
  "create in a new folder": (fileSystem) => createLocalStore(RUN, { fileSystem }).put("a/b/2.pack", two),
  replace: (fileSystem) => createLocalStore(RUN, { fileSystem }).put("varve.json", two),
  "create what exists": (fileSystem) =>
    createLocalStore(RUN, { fileSystem }).put("packs/1.pack", two, { ifAbsent: true }),
  get: (fileSystem) => createLocalStore(RUN, { fileSystem }).get("packs/1.pack"),
  head: (fileSystem) => createLocalStore(RUN, { fileSystem }).head("packs/1.pack"),
  list: async (fileSystem) => {
    const names: string[] = [];
    for await (const { name } of createLocalStore(RUN, { fileSystem }).list("")) names.push(name);
    return names;
  },
  delete: (fileSystem) => createLocalStore(RUN, { fileSystem }).delete("packs/none.pack"),
};

async function callsOf(request: Request): Promise<readonly FileCall[]> {
  const { fileSystem, calls } = recordFileCalls(await diskWithOne());
  await request(fileSystem);
  return calls;
}

interface Failing {
  readonly fileSystem: FileSystem;
  /** The call that was failed. */
  readonly failed: FileCall[];
  /** Files that are open now. */
  readonly open: Set<string>;
}

/** Fails the call of that number, and tells which one it was. */
function failing(disk: FileSystem, number: number, code: string): Failing {
  const failed: FileCall[] = [];
  const open = new Set<string>();
  let count = 0;
  const fileSystem = interceptFileSystem(disk, async (call, proceed) => {
    // A real close gives its descriptor back even when it fails.
    if (call.operation === "close") open.delete(call.path);
    if (count++ === number) {
      failed.push(call);
      throw fileError(code, call.operation, call.path);
    }
    const result = await proceed();
    if (call.operation === "create" || call.operation === "open") open.add(call.path);
    return result;
  });
  return { fileSystem, failed, open };
}

const plan = Object.entries(REQUESTS).flatMap(([title, request]) =>
  Object.keys(KINDS).map((code): [string, string, Request] => [title, code, request]),
);

/** What is wrong with how a request ended that met one failing call. */
function problemsOf(outcome: unknown, code: string, expected: unknown): string[] {
  if (!(outcome instanceof Error)) return isDeepStrictEqual(outcome, expected) ? [] : ["another answer"];
  if (!(outcome instanceof StoreError)) return [`an untyped error: ${outcome.message}`];
  const { kind, retryable, message } = outcome;
  const problems = kind === KINDS[code] ? [] : [`kind ${kind}`];
  if (retryable !== (code === "EIO" || code === "EMFILE")) problems.push(`retryable: ${retryable}`);
  return message.includes(code) ? problems : [...problems, `no code in "${message}"`];
}

describe("one failing file call", () => {
  it.each(plan)(
    "in %s with %s: a typed error, no litter, nothing open, nothing acknowledged lost",
    async (_, code, request) => {
      const calls = await callsOf(request);
      const expected = await request(await diskWithOne());
      expect(calls.length).toBeGreaterThan(2);
      for (let number = 0; number < calls.length; number++) {
        const disk = await diskWithOne();
        const { fileSystem, failed, open } = failing(disk, number, code);
        const problems = problemsOf(await request(fileSystem).catch((error: unknown) => error), code, expected);
        if (open.size > 0) problems.push("a file stays open");
        const litter = disk.paths().some((path) => path.includes(".tmp-"));
        if (litter && failed[0]?.operation !== "unlink") problems.push("an unfinished file stays");
        const kept = await createLocalStore(RUN, { fileSystem: disk }).get("packs/1.pack");
        if (!isDeepStrictEqual(kept, one)) problems.push("what was acknowledged is lost");
        // When the trouble is over the same request goes well: nothing stands in its way.
        const again = await request(disk).catch((error: unknown) => error);
        if (again instanceof Error) problems.push(`the next request fails: ${again.message}`);
        expect({ call: failed[0], problems }).toEqual({ call: failed[0], problems: [] });
      }
    },
  );

  it.each(Object.keys(KINDS))("with %s never acknowledges what a loss of power can take", async (code) => {
    const create = REQUESTS["create"] as Request;
    const wrong: string[] = [];
    const count = (await callsOf(create)).length;
    for (let number = 0; number < count; number++) {
      const disk = await diskWithOne();
      const answer = await create(failing(disk, number, code).fileSystem).catch(() => null);
      if (answer === true) disk.note("two");
      for (const { notes, fileSystem, description } of crashStates(disk)) {
        const store = createLocalStore(RUN, { fileSystem });
        const [first, second] = [await store.get("packs/1.pack"), await store.get("packs/2.pack")];
        if (notes.includes("one") && !isDeepStrictEqual(first, one)) wrong.push(`one ${description}`);
        const isWhole = isDeepStrictEqual(second, two);
        if (!isWhole && (notes.includes("two") || second !== null)) wrong.push(`two ${description}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe("failures with a meaning of their own", () => {
  const plant = async (
    matches: (call: FileCall) => boolean,
    code: string,
  ): Promise<{ disk: CrashFileSystem; fileSystem: FileSystem; count: () => number }> => {
    const disk = await diskWithOne();
    let count = 0;
    const fileSystem = interceptFileSystem(disk, async (call, proceed) => {
      if (!matches(call)) return proceed();
      count++;
      throw fileError(code, call.operation, call.path);
    });
    return { disk, fileSystem, count: () => count };
  };

  it.each(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"])("says so where there are no hard links (%s)", async (code) => {
    const { disk, fileSystem } = await plant(({ operation }) => operation === "link", code);
    const store = createLocalStore(RUN, { fileSystem });
    await expect(store.put("packs/2.pack", two, { ifAbsent: true })).rejects.toMatchObject({
      kind: "unsupported",
      retryable: false,
      message: expect.stringContaining("without hard links"),
      hint: expect.stringContaining("ext4"),
    });
    expect(await store.put("packs/3.pack", two)).toBe(true);
    expect(disk.paths()).toEqual([`${RUN}/packs/1.pack`, `${RUN}/packs/3.pack`]);
  });

  it("does not sync the same descriptor again after a failed fsync", async () => {
    const { fileSystem, count } = await plant(({ operation }) => operation === "sync", "EIO");
    await expect(createLocalStore(RUN, { fileSystem }).put("packs/2.pack", two)).rejects.toMatchObject({ kind: "io" });
    expect(count()).toBe(1);
  });

  it("never again believes an existing object whose fsync failed", async () => {
    let broken = true;
    const fileSystem = interceptFileSystem(await diskWithOne(), async (call, proceed) => {
      if (broken && call.operation === "sync") throw fileError("EIO", "fsync", call.path);
      return proceed();
    });
    const store = createLocalStore(RUN, { fileSystem });
    await expect(store.put("packs/1.pack", two, { ifAbsent: true })).rejects.toMatchObject({ retryable: true });
    broken = false;
    await expect(store.put("packs/1.pack", two, { ifAbsent: true })).rejects.toMatchObject({ retryable: false });
    // A new file of that name is a new start.
    expect(await store.put("packs/1.pack", two)).toBe(true);
    expect(await store.put("packs/1.pack", two, { ifAbsent: true })).toBe(false);
  });

  it("tells how much was to be written when the disk is full, and what to do", async () => {
    const { fileSystem } = await plant(({ operation }) => operation === "write", "ENOSPC");
    await expect(createLocalStore(RUN, { fileSystem }).put("packs/2.pack", two)).rejects.toMatchObject({
      kind: "no-space",
      operation: "put",
      objectName: "packs/2.pack",
      message: expect.stringContaining(`writing 100 bytes below ${RUN}`),
      hint: expect.stringContaining("inodes"),
    });
  });

  it.each([
    ["EDQUOT", "no-space", false],
    ["EFBIG", "too-large", false],
    ["EROFS", "permission", false],
    ["ENFILE", "busy", true],
    ["EWEIRD", "io", false],
  ])("translates %s to %s", async (code, kind, retryable) => {
    const { fileSystem } = await plant(({ operation }) => operation === "write", code);
    const put = createLocalStore(RUN, { fileSystem }).put("packs/2.pack", two);
    await expect(put).rejects.toMatchObject({ kind, retryable });
  });

  it("lets a mistake in the program pass as what it is", async () => {
    const fileSystem = interceptFileSystem(await diskWithOne(), async ({ operation }, proceed) => {
      if (operation === "write") throw new TypeError("a mistake");
      return proceed();
    });
    await expect(createLocalStore(RUN, { fileSystem }).put("packs/2.pack", two)).rejects.toBeInstanceOf(TypeError);
  });

  it("gives up on a disk that takes nothing, instead of trying for ever", async () => {
    const fileSystem = interceptFileSystem(await diskWithOne(), async (call, proceed) =>
      call.operation === "write" ? 0 : proceed(),
    );
    await expect(createLocalStore(RUN, { fileSystem }).put("packs/2.pack", two)).rejects.toMatchObject({ kind: "io" });
  });

  it("is caught by the contract's race: rename instead of link", async () => {
    const disk = new CrashFileSystem();
    const fileSystem = interceptFileSystem(disk, async (call, proceed) =>
      call.operation === "link" ? disk.rename(call.path, call.to ?? "") : proceed(),
    );
    const store = createLocalStore(RUN, { fileSystem });
    const won = await Promise.all(Array.from({ length: 16 }, () => store.put("a", one, { ifAbsent: true })));
    expect(won.filter(Boolean).length).toBeGreaterThan(1);
  });
});
