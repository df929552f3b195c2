import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { uploadFile } from "../../../../src/checkpoint/cloud/files/upload-file.ts";
import { brokenConnection } from "./intercept-client.ts";
import {
  KEY,
  leftovers,
  newPlace,
  newProcess,
  noise,
  openUploads,
  PIECE_BYTES,
  type Place,
  sha256,
} from "./support.ts";

/** Five pieces, the last one half. */
const CONTENT = noise(4500);
const ALL_REQUESTS = ["head", "begin", "piece 0", "piece 1", "piece 2", "piece 3", "piece 4", "complete"];
const PIECES = ALL_REQUESTS.filter((request) => request.startsWith("piece"));

const expectUploaded = async (place: Place, content: Uint8Array): Promise<void> => {
  expect(await place.bucket.get(KEY)).toEqual(content);
  expect(await place.bucket.head(KEY)).toMatchObject({ metadata: { sha256: sha256(content) } });
  expect(await leftovers(place)).toEqual([]);
};

describe("an upload in pieces", () => {
  it("asks for nothing twice, reports every piece, and leaves nothing but the object", async () => {
    const place = await newPlace(CONTENT);
    const { transfers, requests, warnings } = newProcess(place);
    const reported: number[] = [];
    const report = (bytesDone: number): number => reported.push(bytesDone);
    const result = await uploadFile(transfers, { localPath: place.localPath, key: KEY, report });
    expect(result).toEqual({ bytes: 4500, isUnchanged: false, sha256: sha256(CONTENT) });
    expect(requests).toEqual(ALL_REQUESTS);
    expect(reported).toEqual([0, 1000, 2000, 3000, 4000, 4500]);
    expect(warnings).toEqual([]);
    expect(await openUploads(place)).toBe(0);
    await expectUploaded(place, CONTENT);
  });

  const faults = ALL_REQUESTS.flatMap((request, index) =>
    (["never sent", "answer lost"] as const).flatMap((fault) =>
      (["same process", "restarted process"] as const).map((next) => ({ request, index, fault, next })),
    ),
  );

  it.each(faults)(
    "goes on where the store stopped: $request $fault, $next",
    async ({ request, index, fault, next }) => {
      const place = await newPlace(CONTENT);
      let count = 0;
      const first = newProcess(place, async (call, proceed) => {
        if (count++ !== index) return proceed();
        if (fault === "answer lost") await proceed();
        throw brokenConnection(call);
      });
      const upload = { localPath: place.localPath, key: KEY };
      const done = { bytes: 4500, isUnchanged: false, sha256: sha256(CONTENT) };
      if (request === "complete" && fault === "answer lost") {
        // The object itself tells that it is there.
        expect(await uploadFile(first.transfers, upload)).toEqual(done);
        return expectUploaded(place, CONTENT);
      }
      await expect(uploadFile(first.transfers, upload)).rejects.toMatchObject({ kind: "network", retryable: true });
      expect(await place.bucket.head(KEY)).toBeNull();
      const second = next === "same process" ? first : newProcess(place);
      second.requests.length = 0;
      const moved: number[] = [];
      const onMoved = (bytes: number): number => moved.push(bytes);
      expect(await uploadFile(second.transfers, { ...upload, onMoved })).toEqual(done);
      const stored = PIECES.filter((piece) => {
        const place = ALL_REQUESTS.indexOf(piece);
        return place < index || (place === index && fault === "answer lost");
      });
      const sent = second.requests.filter((line) => line.startsWith("piece"));
      expect(sent).toEqual(index < 2 ? PIECES : PIECES.slice(stored.length));
      // What the store had already has not moved.
      expect(moved).toEqual(sent.map((piece) => (piece === "piece 4" ? 500 : 1000)));
      expect(second.requests.includes("begin")).toBe(index < 2);
      await expectUploaded(place, CONTENT);
      // Only of the begin whose answer was lost does nobody know.
      expect(await openUploads(place)).toBe(request === "begin" && fault === "answer lost" ? 1 : 0);
    },
  );

  it.each(["same process", "restarted process"])(
    "finds its object if nobody learned that it was completed: %s",
    async (next) => {
      const place = await newPlace(CONTENT);
      let isCut = false;
      const first = newProcess(place, async (call, proceed) => {
        if (call.operation === "complete") {
          await proceed();
          isCut = true;
        }
        if (isCut) throw brokenConnection(call);
        return proceed();
      });
      const upload = { localPath: place.localPath, key: KEY };
      await expect(uploadFile(first.transfers, upload)).rejects.toMatchObject({ kind: "network" });
      isCut = false;
      const second = next === "same process" ? first : newProcess(place);
      second.requests.length = 0;
      expect(await uploadFile(second.transfers, upload)).toMatchObject({ isUnchanged: false });
      expect(second.requests).toEqual(["held", "head"]);
      await expectUploaded(place, CONTENT);
    },
  );

  it("begins anew in the next try when the store does not know it any more", async () => {
    const place = await newPlace(CONTENT);
    const first = newProcess(place, async ({ index, id, key }, proceed) => {
      if (index === 2) await place.bucket.pieces.abort(key, id ?? "");
      return proceed();
    });
    const upload = { localPath: place.localPath, key: KEY };
    await expect(uploadFile(first.transfers, upload)).rejects.toMatchObject({ kind: "busy", retryable: true });
    const second = newProcess(place);
    await uploadFile(second.transfers, upload);
    expect(second.requests).toEqual(ALL_REQUESTS);
    await expectUploaded(place, CONTENT);
  });

  it("begins anew when what the pieces make has not the file's checksum", async () => {
    const place = await newPlace(CONTENT);
    const first = newProcess(place, async (call, proceed) => {
      const answer: unknown = await proceed();
      if (call.index !== 1) return answer;
      const piece = { index: 1, offset: PIECE_BYTES, bytes: noise(PIECE_BYTES, 7), isLast: false };
      await place.bucket.pieces.put(call.key, call.id ?? "", piece, { totalBytes: 4500 });
    });
    const upload = { localPath: place.localPath, key: KEY };
    await expect(uploadFile(first.transfers, upload)).rejects.toMatchObject({ kind: "io", retryable: true });
    expect(first.requests).toEqual([...ALL_REQUESTS, "head", "abort"]);
    expect(await place.bucket.head(KEY)).toBeNull();
    const second = newProcess(place);
    await uploadFile(second.transfers, upload);
    expect(second.requests).toEqual(ALL_REQUESTS);
    await expectUploaded(place, CONTENT);
  });

  it("does not send what the store has already, and sends what differs in one byte", async () => {
    const place = await newPlace(CONTENT);
    const upload = { localPath: place.localPath, key: KEY };
    await uploadFile(newProcess(place).transfers, upload);
    const again = newProcess(place);
    expect(await uploadFile(again.transfers, upload)).toEqual({
      bytes: 4500,
      isUnchanged: true,
      sha256: sha256(CONTENT),
    });
    expect(again.requests).toEqual(["head"]);
    const other = CONTENT.with(4499, (CONTENT[4499] ?? 0) ^ 1);
    await place.bucket.put(KEY, other);
    expect(await uploadFile(newProcess(place).transfers, upload)).toMatchObject({ isUnchanged: false });
    await expectUploaded(place, CONTENT);
  });

  it("stops at once when it is aborted, and goes on afterwards", async () => {
    const place = await newPlace(CONTENT);
    const controller = new AbortController();
    const first = newProcess(place, async (call, proceed) => {
      if (call.index === 2) controller.abort();
      return proceed();
    });
    const upload = { localPath: place.localPath, key: KEY };
    await expect(uploadFile(first.transfers, { ...upload, signal: controller.signal })).rejects.toMatchObject({
      kind: "aborted",
    });
    const second = newProcess(place);
    await uploadFile(second.transfers, upload);
    expect(second.requests).toEqual(["held", "piece 2", "piece 3", "piece 4", "complete"]);
    await expectUploaded(place, CONTENT);
  });

  it("goes on after the process was killed between two pieces", async () => {
    const place = await newPlace(CONTENT);
    const child = fork(join(import.meta.dirname, "fixtures", "killed-upload.ts"), [
      place.localPath,
      place.bucketFolder,
      KEY,
    ]);
    const [, signal] = await once(child, "exit");
    expect(signal).toBe("SIGKILL");
    const { transfers, requests } = newProcess(place);
    await uploadFile(transfers, { localPath: place.localPath, key: KEY });
    expect(requests).toEqual(["held", "piece 3", "piece 4", "complete"]);
    await expectUploaded(place, CONTENT);
  });

  it("waits for bandwidth before each request that carries bytes, and before no other", async () => {
    const place = await newPlace(CONTENT);
    const paced: string[] = [];
    const process = newProcess(place, undefined, {
      pace: async (bytes) => {
        paced.push(`${bytes} after ${process.requests.at(-1)}`);
      },
    });
    await uploadFile(process.transfers, { localPath: place.localPath, key: KEY });
    expect(paced).toEqual([
      "1000 after begin",
      "1000 after piece 0",
      "1000 after piece 1",
      "1000 after piece 2",
      "500 after piece 3",
    ]);
  });

  it("gives the store the file's very bytes, whatever its size and whatever breaks", async () => {
    const sizes = fc.oneof(
      fc.constantFrom(0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 3 * PIECE_BYTES + 1),
      fc.nat(5 * PIECE_BYTES),
    );
    const faults = fc.array(fc.constantFrom("well", "never sent", "answer lost"), { maxLength: 12 });
    const restarts = fc.array(fc.boolean(), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(sizes, faults, restarts, async (size, plan, restarting) => {
        const content = noise(size, size + 1);
        const place = await newPlace(content);
        const fates = [...plan];
        const start = () =>
          newProcess(place, async (call, proceed) => {
            const fate = fates.shift();
            if (fate === "never sent") throw brokenConnection(call);
            const answer: unknown = await proceed();
            if (fate === "answer lost") throw brokenConnection(call);
            return answer;
          });
        let process = start();
        for (let tries = 0; ; tries++) {
          if (restarting[tries]) process = start();
          const tried = await uploadFile(process.transfers, { localPath: place.localPath, key: KEY }).catch(
            (error: unknown) => error,
          );
          if (!(tried instanceof Error)) break;
          expect(tried).toMatchObject({ kind: "network" });
          expect(tries).toBeLessThan(plan.length);
        }
        await expectUploaded(place, content);
      }),
      { numRuns: 60 },
    );
  });
});

describe("an upload in one request", () => {
  it.each([0, 1, PIECE_BYTES])("of %d bytes asks, sends, and is not sent again unchanged", async (size) => {
    const content = noise(size);
    const place = await newPlace(content);
    const { transfers, requests } = newProcess(place);
    const upload = { localPath: place.localPath, key: KEY };
    expect(await uploadFile(transfers, upload)).toEqual({ bytes: size, isUnchanged: false, sha256: sha256(content) });
    expect(await uploadFile(transfers, upload)).toMatchObject({ isUnchanged: true });
    expect(requests).toEqual(["head", "put", "head"]);
    await expectUploaded(place, content);
  });

  it("counts as sent by itself when only the answer was lost", async () => {
    const place = await newPlace(noise(10));
    let isLost = true;
    const { transfers, requests } = newProcess(place, async (call, proceed) => {
      const answer: unknown = await proceed();
      if (call.operation === "put" && isLost) throw brokenConnection(call);
      return answer;
    });
    const upload = { localPath: place.localPath, key: KEY };
    await expect(uploadFile(transfers, upload)).rejects.toMatchObject({ kind: "network" });
    isLost = false;
    expect(await uploadFile(transfers, upload)).toMatchObject({ isUnchanged: false });
    expect(await uploadFile(transfers, upload)).toMatchObject({ isUnchanged: true });
    expect(requests).toEqual(["head", "put", "head", "head"]);
  });

  it.each(["../x", "/x", "a/../x", "a\\x", "a\0x", ""])("refuses the key %j before it asks anything", async (key) => {
    const place = await newPlace(noise(10));
    const { transfers, requests } = newProcess(place);
    const upload = { localPath: place.localPath, key };
    await expect(uploadFile(transfers, upload)).rejects.toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
    expect(requests).toEqual([]);
  });
});
