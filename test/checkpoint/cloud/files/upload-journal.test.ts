import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { uploadFile } from "../../../../src/checkpoint/cloud/files/upload-file.ts";
import { nodeFileSystem } from "../../../../src/store/node-file-system.ts";
import { failFileCalls, interceptFileSystem, recordFileCalls } from "../../../../src/testing/intercept-file-system.ts";
import { brokenConnection, type ClientInterceptor } from "./intercept-client.ts";
import { KEY, leftovers, newPlace, newProcess, noise, openUploads, type Place, sha256 } from "./support.ts";

const CONTENT = noise(4500);
const cutAt =
  (index: number): ClientInterceptor =>
  async (call, proceed) => {
    if (call.index === index) throw brokenConnection(call);
    return proceed();
  };

/** An upload of which the store has three pieces, and its journal. */
async function brokenOff(): Promise<{ place: Place; journal: string; record: Record<string, unknown> }> {
  const place = await newPlace(CONTENT);
  const first = newProcess(place, cutAt(3));
  const upload = uploadFile(first.transfers, { localPath: place.localPath, key: KEY });
  await expect(upload).rejects.toMatchObject({ kind: "network" });
  const [name = ""] = await leftovers(place);
  const journal = join(place.folder, name);
  return { place, journal, record: JSON.parse(await readFile(journal, "utf8")) as Record<string, unknown> };
}

describe("the journal of an upload", () => {
  it("is hidden, private, and holds what another process needs", async () => {
    const { place, journal, record } = await brokenOff();
    expect(await leftovers(place)).toHaveLength(1);
    expect(journal).toMatch(/\/\.model\.bin\.[0-9a-f]{12}\.varve-upload\.json$/);
    expect((await stat(journal)).mode & 0o777).toBe(0o600);
    const { ino, mtimeMs } = await stat(place.localPath);
    expect(record).toEqual({
      magic: "varve-upload",
      version: 1,
      bucket: place.bucket.url,
      key: KEY,
      fileName: "model.bin",
      identity: { sizeBytes: 4500, modifiedAtMs: mtimeMs, inode: ino },
      sha256: sha256(CONTENT),
      pieceBytes: 1000,
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
  });

  it("is durable before its name is, and that before the first piece is sent", async () => {
    const place = await newPlace(CONTENT);
    const { fileSystem, calls } = recordFileCalls(nodeFileSystem);
    const order: string[] = [];
    const { transfers } = newProcess(
      place,
      async (call, proceed) => {
        if (call.index !== 0) return proceed();
        order.push(
          ...calls.map(({ operation }) => operation).filter((operation) => !/open|read|info|close/.test(operation)),
        );
        throw brokenConnection(call);
      },
      { files: fileSystem },
    );
    await expect(uploadFile(transfers, { localPath: place.localPath, key: KEY })).rejects.toBeDefined();
    expect(order).toEqual(["create", "write", "sync", "rename", "syncFolder"]);
  });

  it("belongs to one file, key and bucket: two uploads of a file do not touch each other", async () => {
    const { place } = await brokenOff();
    const other = newProcess(place, cutAt(1));
    const upload = uploadFile(other.transfers, { localPath: place.localPath, key: "other key" });
    await expect(upload).rejects.toMatchObject({ kind: "network" });
    expect(await leftovers(place)).toHaveLength(2);
    const again = newProcess(place);
    await uploadFile(again.transfers, { localPath: place.localPath, key: KEY });
    await uploadFile(again.transfers, { localPath: place.localPath, key: "other key" });
    expect(again.requests).toEqual([
      ...["held", "piece 3", "piece 4", "complete"],
      ...["held", "piece 1", "piece 2", "piece 3", "piece 4", "complete"],
    ]);
    expect(await leftovers(place)).toEqual([]);
  });

  it("fits beside a file with the longest name there is", async () => {
    const place = await newPlace(CONTENT);
    const localPath = join(place.folder, "\u{20AC}".repeat(85));
    await rename(place.localPath, localPath);
    const { transfers, warnings } = newProcess(place, cutAt(1));
    await expect(uploadFile(transfers, { localPath, key: KEY })).rejects.toMatchObject({ kind: "network" });
    expect(warnings).toEqual([]);
    const second = newProcess(place);
    await uploadFile(second.transfers, { localPath, key: KEY });
    expect(second.requests[0]).toBe("held");
    expect(await readdir(place.folder)).toHaveLength(1);
  });

  it("is told to be missing where the folder takes none, and this process goes on all the same", async () => {
    const place = await newPlace(CONTENT);
    for (const code of ["EACCES", "EROFS", "ENOSPC"]) {
      const files = failFileCalls(nodeFileSystem, code, 0, 1000, ({ operation }) => operation === "create");
      let isCut = true;
      const first = newProcess(place, (call, proceed) => (isCut ? cutAt(3) : cutAt(-1))(call, proceed), { files });
      const upload = { localPath: place.localPath, key: `${KEY} ${code}` };
      await expect(uploadFile(first.transfers, upload)).rejects.toMatchObject({ kind: "network" });
      expect(first.warnings).toHaveLength(1);
      expect(first.warnings[0]).toMatch(new RegExp(`takes no journal \\(${code}\\): after a restart`));
      expect(await leftovers(place)).toEqual([]);
      isCut = false;
      first.requests.length = 0;
      await uploadFile(first.transfers, upload);
      expect(first.requests).toEqual(["held", "piece 3", "piece 4", "complete"]);
      expect(await place.bucket.get(upload.key)).toEqual(CONTENT);
    }
  });

  it("that a mistake in the program keeps from being written fails the upload: no folder is to blame", async () => {
    const place = await newPlace(CONTENT);
    const files = interceptFileSystem(nodeFileSystem, async ({ operation }, proceed) => {
      if (operation === "create") throw new TypeError("a mistake");
      return proceed();
    });
    const { transfers, warnings } = newProcess(place, undefined, { files });
    await expect(uploadFile(transfers, { localPath: place.localPath, key: KEY })).rejects.toThrow("a mistake");
    expect(warnings).toEqual([]);
  });

  it("that cannot be written whole leaves no unfinished file", async () => {
    for (const operation of ["write", "sync", "rename"]) {
      const place = await newPlace(CONTENT);
      const files = failFileCalls(nodeFileSystem, "EIO", 0, 1, (call) => call.operation === operation);
      const { transfers, warnings } = newProcess(place, undefined, { files });
      await uploadFile(transfers, { localPath: place.localPath, key: KEY });
      expect(warnings).toHaveLength(1);
      expect(await leftovers(place)).toEqual([]);
      expect(await place.bucket.get(KEY)).toEqual(CONTENT);
    }
  });
});

describe("a journal that is not to be trusted", () => {
  const other = "f".repeat(32);
  const planted: Readonly<Record<string, (record: Record<string, unknown>) => string | Buffer>> = {
    "is empty": () => "",
    "is cut off": (record) => JSON.stringify(record).slice(0, 50),
    "is no UTF-8": () => Buffer.from([0xff, 0xfe, 0x7b]),
    "is no object": () => "[]",
    "is another program's": (record) => JSON.stringify({ ...record, magic: "tus" }),
    "is of a newer version": (record) => JSON.stringify({ ...record, version: 2 }),
    "lacks the identity": ({ identity: _identity, ...record }) => JSON.stringify(record),
    "has a key twice": (record) => JSON.stringify(record).replace("{", '{"key":"elsewhere",'),
    "has __proto__": (record) => JSON.stringify(record).replace("{", '{"__proto__":{},'),
    "has infinite pieces": (record) => JSON.stringify(record).replace('"pieceBytes":1000', '"pieceBytes":1e999'),
    "has an id of a megabyte": (record) => JSON.stringify({ ...record, id: "x".repeat(1 << 20) }),
    "leads to another host": (record) => JSON.stringify({ ...record, id: "https://evil.test/upload" }),
    "leads there without a scheme": (record) => JSON.stringify({ ...record, id: "//evil.test/upload" }),
    "leads there as Windows writes it": (record) => JSON.stringify({ ...record, id: "/\\evil.test/upload" }),
    "leads there past a tab": (record) => JSON.stringify({ ...record, id: "/\t/evil.test/upload" }),
    "nests without end": () => "[".repeat(10_000),
    "names another bucket": (record) => JSON.stringify({ ...record, id: other, bucket: "gs://elsewhere" }),
    "names another key": (record) => JSON.stringify({ ...record, id: other, key: "elsewhere" }),
    "names another file": (record) => JSON.stringify({ ...record, id: other, fileName: "other.bin" }),
    walks: (record) => JSON.stringify({ ...record, fileName: "../../etc/passwd" }),
  };

  it.each(Object.keys(planted))("%s: is told, ignored, and never followed", async (kind) => {
    const { place, journal, record } = await brokenOff();
    await writeFile(journal, planted[kind]?.(record) ?? "");
    const { transfers, calls, requests, warnings } = newProcess(place);
    await uploadFile(transfers, { localPath: place.localPath, key: KEY });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(journal);
    // The id may be a secret: no part of it is shown.
    expect(warnings[0]).not.toMatch(/[0-9a-f]{32}|xxxx/);
    expect(requests.slice(0, 2)).toEqual(["head", "begin"]);
    expect(calls.map(({ id }) => id)).not.toContain(other);
    expect(calls.filter(({ id }) => id?.includes("evil"))).toEqual([]);
    expect(calls.every(({ key }) => key === KEY)).toBe(true);
    expect(await place.bucket.get(KEY)).toEqual(CONTENT);
    expect(await leftovers(place)).toEqual([]);
  });

  it("is a link or a folder: is told and not followed", async () => {
    const { place, journal, record } = await brokenOff();
    await rm(journal);
    await writeFile(join(place.folder, "elsewhere"), JSON.stringify(record));
    await symlink(join(place.folder, "elsewhere"), journal);
    const linked = newProcess(place);
    await uploadFile(linked.transfers, { localPath: place.localPath, key: KEY });
    expect(linked.requests).toContain("begin");
    expect(linked.warnings).toEqual([expect.stringContaining("ELOOP")]);
    expect(await leftovers(place)).toEqual(["elsewhere"]);

    await place.bucket.delete(KEY);
    await mkdir(journal);
    const folder = newProcess(place);
    await uploadFile(folder.transfers, { localPath: place.localPath, key: KEY });
    expect(folder.warnings).toEqual([
      expect.stringContaining("it is not a file"),
      expect.stringContaining("no journal"),
    ]);
    expect(await place.bucket.get(KEY)).toEqual(CONTENT);
  });

  it.each([
    ["an upload that is not there", { id: other }],
    ["pieces of another size", { pieceBytes: 999 }],
    ["another content", { sha256: sha256(noise(5)) }],
    ["another time", { identity: { sizeBytes: 4500, modifiedAtMs: 5, inode: 1 } }],
  ])("tells of %s: the object is the file's content all the same", async (_, lie) => {
    const { place, journal, record } = await brokenOff();
    await writeFile(journal, JSON.stringify({ ...record, ...lie }));
    const { transfers } = newProcess(place);
    const upload = { localPath: place.localPath, key: KEY };
    if ("sha256" in lie) {
      await expect(uploadFile(transfers, upload)).rejects.toMatchObject({ code: "VARVE_FILE_CHANGED" });
      expect(await place.bucket.head(KEY)).toBeNull();
    }
    await uploadFile(transfers, upload);
    expect(await place.bucket.get(KEY)).toEqual(CONTENT);
    expect(await place.bucket.head(KEY)).toMatchObject({ metadata: { sha256: sha256(CONTENT) } });
    // What was sent before is found by its age, if the journal does not lead to it.
    expect(await openUploads(place)).toBe("id" in lie ? 1 : 0);
  });
});
