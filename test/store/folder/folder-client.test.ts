import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { connectFolder } from "../../../src/store/folder/folder-client.ts";
import { nodeFileSystem } from "../../../src/store/node-file-system.ts";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { failFileCalls, recordFileCalls } from "../../../src/testing/intercept-file-system.ts";
import { temporaryFolder } from "../temporary-folder.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const keysBelow = async (client: ObjectClient, prefix = ""): Promise<string[]> =>
  (await Array.fromAsync(client.list(prefix))).map(({ key }) => key);

describe("a folder that stands for a bucket", () => {
  it("keeps objects as plain files and gives them back, whole and in ranges", async () => {
    const folder = join(await temporaryFolder(), "made", "when needed");
    const client = connectFolder(folder);
    expect(await client.get("a/b.txt")).toBeNull();
    expect(await client.head("a/b.txt")).toBeNull();
    expect(await keysBelow(client)).toEqual([]);
    await client.delete("a/b.txt");
    expect(await client.put("a/b.txt", bytesOf("0123456789"))).toBe(true);
    expect(await readFile(join(folder, "a", "b.txt"), "utf8")).toBe("0123456789");
    expect(await client.get("a/b.txt")).toEqual(bytesOf("0123456789"));
    expect(await client.get("a/b.txt", { range: { offset: 8, length: 5 } })).toEqual(bytesOf("89"));
    expect(await client.put("a/b.txt", bytesOf("new"))).toBe(true);
    expect(await client.get("a/b.txt")).toEqual(bytesOf("new"));
    await client.delete("a/b.txt");
    expect(await client.get("a/b.txt")).toBeNull();
  });

  it("takes spaces, = and letters of any script, and lists them by their UTF-8 bytes", async () => {
    const client = connectFolder(await temporaryFolder());
    // U+FF5E comes before U+1F600 in UTF-8, and after it in UTF-16.
    const keys = ["step=1/ein Name.txt", "größe/x", "\u{1F600}", "\uFF5E", "a/b", "a-b", "a.b", ".hidden", "a/.x/y"];
    for (const key of keys) await client.put(key, bytesOf(key));
    for (const key of keys) expect(await client.get(key)).toEqual(bytesOf(key));
    expect(await keysBelow(client)).toEqual([
      ".hidden",
      "a-b",
      "a.b",
      "a/.x/y",
      "a/b",
      "größe/x",
      "step=1/ein Name.txt",
      "\uFF5E",
      "\u{1F600}",
    ]);
    expect(await keysBelow(client, "a")).toEqual(["a-b", "a.b", "a/.x/y", "a/b"]);
    expect(await keysBelow(client, "a/")).toEqual(["a/.x/y", "a/b"]);
    expect(await keysBelow(client, "a/.")).toEqual(["a/.x/y"]);
    expect(await keysBelow(client, "gr")).toEqual(["größe/x"]);
  });

  it.each([
    "",
    "/etc/x",
    "../x",
    "a/../../x",
    "a//b",
    "a/",
    ".",
    "a/./b",
    "a\\..\\b",
    "a\0b",
    "a\nb",
    ".varve-uploads/x",
    "a/.tmp-x",
    "\uD800",
    "x".repeat(1025),
  ])("refuses the key %j before anything is touched", async (key) => {
    const folder = join(await temporaryFolder(), "untouched");
    const client = connectFolder(folder);
    const wrong = { code: "VARVE_INVALID_ARGUMENT" };
    await expect(client.put(key, bytesOf("x"))).rejects.toMatchObject(wrong);
    await expect(client.get(key)).rejects.toMatchObject(wrong);
    await expect(client.head(key)).rejects.toMatchObject(wrong);
    await expect(client.delete(key)).rejects.toMatchObject(wrong);
    const upload = { totalBytes: 1, metadata: { sha256: sha256("x") } };
    await expect(client.pieces.begin(key, upload)).rejects.toMatchObject(wrong);
    await expect(client.pieces.held(key, "a".repeat(32), { totalBytes: 1 })).rejects.toMatchObject(wrong);
    await expect(readdir(folder)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("refuses to go through a symbolic link, and leads none of its own", async () => {
    const folder = await temporaryFolder();
    const outside = await temporaryFolder();
    await writeFile(join(outside, "secret"), "secret");
    await symlink(outside, join(folder, "away"));
    await symlink(join(outside, "secret"), join(folder, "file"));
    const client = connectFolder(folder);
    const refused = { code: "VARVE_STORE", kind: "unsupported" };
    await expect(client.get("away/secret")).rejects.toMatchObject(refused);
    await expect(client.get("file")).rejects.toMatchObject(refused);
    await expect(client.put("away/new", bytesOf("x"))).rejects.toMatchObject(refused);
    await expect(keysBelow(client)).rejects.toMatchObject(refused);
    expect(await readdir(outside)).toEqual(["secret"]);
    const linked = connectFolder(join(folder, "away"));
    const upload = { totalBytes: 1, metadata: { sha256: sha256("x") } };
    await expect(linked.pieces.begin("x", upload)).rejects.toMatchObject(refused);
    expect(await readdir(outside)).toEqual(["secret"]);
  });

  it("lets exactly one of 16 writers create an object that is absent", async () => {
    const folder = await temporaryFolder();
    const won = await Promise.all(
      Array.from({ length: 16 }, (_, writer) =>
        connectFolder(folder).put("ein lauf/k", bytesOf(`writer ${writer}`), { ifAbsent: true }),
      ),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await connectFolder(folder).get("ein lauf/k")).toEqual(bytesOf(`writer ${won.indexOf(true)}`));
  });

  it("tells the SHA-256 of what the file holds now, whoever wrote it, and refuses a put that says another", async () => {
    const folder = await temporaryFolder();
    const client = connectFolder(folder);
    await client.put("k", bytesOf("one"), { metadata: { sha256: sha256("one") } });
    expect(await client.head("k")).toMatchObject({ key: "k", sizeBytes: 3, metadata: { sha256: sha256("one") } });
    await writeFile(join(folder, "k"), "other");
    expect(await client.head("k")).toMatchObject({ sizeBytes: 5, metadata: { sha256: sha256("other") } });
    const lie = { metadata: { sha256: sha256("two") } };
    await expect(client.put("k", bytesOf("three"), lie)).rejects.toMatchObject({ kind: "io", retryable: true });
    expect(await client.get("k")).toEqual(bytesOf("other"));
  });

  it("makes the content durable before the name, and the name before it acknowledges", async () => {
    const { fileSystem, calls } = recordFileCalls(nodeFileSystem);
    const folder = await temporaryFolder();
    const client = connectFolder(folder, { fileSystem });
    await client.put("ü/first", bytesOf("x"));
    calls.length = 0;
    await client.put("ü/k", bytesOf("x"));
    const changes = ["create", "write", "sync", "rename", "syncFolder"];
    expect(calls.map(({ operation }) => operation).filter((operation) => changes.includes(operation))).toEqual(changes);
  });

  it("fails a put on a full disk as no-space, and leaves the object as it was and nothing beside it", async () => {
    const folder = await temporaryFolder();
    await connectFolder(folder).put("a b/k", bytesOf("old"));
    const full = failFileCalls(nodeFileSystem, "ENOSPC", 0, 1, ({ operation }) => operation === "write");
    const client = connectFolder(folder, { fileSystem: full });
    await expect(client.put("a b/k", bytesOf("new"))).rejects.toMatchObject({ kind: "no-space", retryable: false });
    expect(await readdir(join(folder, "a b"))).toEqual(["k"]);
    expect(await client.get("a b/k")).toEqual(bytesOf("old"));
    await client.put("a b/k", bytesOf("new"));
    expect(await client.get("a b/k")).toEqual(bytesOf("new"));
  });

  it("refuses a key that is the folder of others", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "a b"));
    const client = connectFolder(folder);
    await expect(client.put("a b", bytesOf("x"))).rejects.toMatchObject({ kind: "unsupported" });
    await client.put("k", bytesOf("x"));
    await expect(client.put("k/below", bytesOf("x"))).rejects.toMatchObject({ kind: "unsupported" });
    await rm(join(folder, "a b"), { recursive: true });
  });

  it("rejects what is aborted before it begins", async () => {
    const client = connectFolder(await temporaryFolder());
    const signal = AbortSignal.abort();
    const aborted = { kind: "aborted" };
    await expect(client.put("k", bytesOf("x"), { signal })).rejects.toMatchObject(aborted);
    await expect(client.get("k", { signal })).rejects.toMatchObject(aborted);
    await expect(client.head("k", { signal })).rejects.toMatchObject(aborted);
    await expect(client.delete("k", { signal })).rejects.toMatchObject(aborted);
    await expect(Array.fromAsync(client.list("", { signal }))).rejects.toMatchObject(aborted);
  });
});
