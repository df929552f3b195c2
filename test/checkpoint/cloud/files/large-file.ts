import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { downloadFile } from "../../../../src/checkpoint/cloud/files/download-file.ts";
import { uploadFile } from "../../../../src/checkpoint/cloud/files/upload-file.ts";
import type { ObjectClient } from "../../../../src/store/object-client.ts";
import { parseObjectUrl } from "../../../../src/store/object-url.ts";
import { connectTo } from "../../../../src/store/open-objects.ts";
import { type ChaosProxy, startChaosProxy } from "../../../servers/chaos-proxy.ts";
import type { RunningCloud } from "../../../servers/running-cloud.ts";
import { temporaryFolder } from "../../../store/temporary-folder.ts";
import { newProcess, noise } from "./support.ts";

const MEBIBYTE = 1024 * 1024;
const KEY = "project/checkpoints/größe (1).bin";

/** Two pieces of 8 MiB and one of 2. */
function largeContent(): Uint8Array {
  const content = new Uint8Array(18 * MEBIBYTE);
  for (let piece = 0; piece < 18; piece++) content.set(noise(1000, piece), piece * MEBIBYTE + piece);
  return content;
}

/**
 * Defines the test that a large file goes on over a real connection to a provider's server.
 *
 * @param isPiece - tells the requests that carry a piece
 */
export function largeFileTest(
  title: string,
  start: () => Promise<RunningCloud>,
  isPiece: (path: string) => boolean,
): void {
  describe(`a large file to and from ${title}`, () => {
    let cloud: RunningCloud;
    let proxy: ChaosProxy;
    beforeAll(async () => {
      cloud = await start();
      proxy = await startChaosProxy(cloud.port);
    });
    afterAll(async () => {
      await proxy.close();
      await cloud.close();
    });

    it.each(["request reset", "answer lost"] as const)("goes on after a restart where it was cut: %s", async (kind) => {
      const folder = await temporaryFolder();
      const localPath = join(folder, "model.bin");
      const content = largeContent();
      await writeFile(localPath, content);
      const place = parseObjectUrl(cloud.newUrl(), cloud.options(proxy.port));
      const key = `${place.prefix}${KEY}`;
      const upload = { localPath, key };

      let pieces = 0;
      proxy.always(({ method, path }) => {
        if (method !== "PUT" || !isPiece(path) || pieces++ !== 1) return null;
        return kind === "request reset" ? { kind, atByte: 3 * MEBIBYTE } : { kind };
      });
      const first: ObjectClient = await connectTo(place);
      const cut = newProcess({ bucket: first });
      await expect(uploadFile(cut.transfers, upload)).rejects.toMatchObject({ code: "VARVE_STORE", retryable: true });
      await first.close();
      expect(pieces).toBe(2);
      proxy.always(null);

      const bucket = await connectTo(place);
      const restarted = newProcess({ bucket });
      expect(await uploadFile(restarted.transfers, upload)).toMatchObject({
        bytes: content.length,
        isUnchanged: false,
      });
      const sent = restarted.requests.filter((request) => request.startsWith("piece"));
      expect(sent).toEqual(kind === "request reset" ? ["piece 1", "piece 2"] : ["piece 2"]);
      expect(restarted.requests).not.toContain("begin");
      expect(await uploadFile(newProcess({ bucket }).transfers, upload)).toMatchObject({ isUnchanged: true });

      const target = join(folder, "downloaded.bin");
      await downloadFile(restarted.transfers, { key, localPath: target });
      expect(Buffer.compare(await readFile(target), content)).toBe(0);
      expect(restarted.warnings).toEqual([]);
      await bucket.close();
    });
  });
}
