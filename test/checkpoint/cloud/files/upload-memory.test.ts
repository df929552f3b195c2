import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { uploadFile } from "../../../../src/checkpoint/cloud/files/upload-file.ts";
import { StoreError } from "../../../../src/errors.ts";
import type { ObjectClient } from "../../../../src/store/object-client.ts";
import { interceptClient } from "./intercept-client.ts";
import { newPlace, newProcess, noise, PIECE_BYTES } from "./support.ts";

/** A file that is under way until the test ends, so that memory of others is kept; and what each request was given. */
async function startBeside(fails: ReadonlySet<string>) {
  const place = await newPlace(noise(PIECE_BYTES, 9));
  const given = new Map<string, Uint8Array>();
  const isEnded = Promise.withResolvers<void>();
  const put: ObjectClient["put"] = async (key, bytes, options) => {
    given.set(key, bytes);
    if (key === "beside") await isEnded.promise;
    if (fails.has(key)) throw new StoreError("timeout", "put", key, "nothing moved");
    return place.bucket.put(key, bytes, options);
  };
  const { transfers } = newProcess({ bucket: { ...interceptClient(place.bucket, (_, proceed) => proceed()), put } });
  const upload = async (key: string, content: Uint8Array) => {
    const localPath = join(place.folder, key);
    await writeFile(localPath, content);
    return uploadFile(transfers, { localPath, key });
  };
  const beside = upload("beside", noise(PIECE_BYTES, 8));
  onTestFinished(async () => {
    isEnded.resolve();
    await beside;
  });
  while (!given.has("beside")) await new Promise((resolve) => setImmediate(resolve));
  const sent = (key: string): Uint8Array => given.get(key) as Uint8Array;
  return { upload, sent, bucket: place.bucket };
}

describe("the memory of a file that goes up whole", () => {
  it("is that of one that is there already", async () => {
    const { upload, sent, bucket } = await startBeside(new Set());
    await upload("first", noise(PIECE_BYTES, 1));
    const { buffer } = sent("first");
    await upload("second", noise(PIECE_BYTES, 2));
    expect(sent("second").buffer).toBe(buffer);
    expect(await bucket.get("first")).toEqual(noise(PIECE_BYTES, 1));
    expect(await bucket.get("second")).toEqual(noise(PIECE_BYTES, 2));
  });

  it("is never that of one whose request failed: a connection may still read it", async () => {
    const { upload, sent } = await startBeside(new Set(["first"]));
    await expect(upload("first", noise(PIECE_BYTES, 1))).rejects.toMatchObject({ kind: "timeout" });
    await upload("second", noise(PIECE_BYTES, 2));
    await upload("third", noise(PIECE_BYTES, 3));
    expect(sent("second").buffer).not.toBe(sent("first").buffer);
    expect(sent("third").buffer).toBe(sent("second").buffer);
    expect(new Uint8Array(sent("first"))).toEqual(noise(PIECE_BYTES, 1));
  });
});
