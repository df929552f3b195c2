import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { uploadFile } from "../../../../src/checkpoint/cloud/files/upload-file.ts";
import type { ObjectClient } from "../../../../src/store/object-client.ts";
import { parseObjectUrl } from "../../../../src/store/object-url.ts";
import { connectTo } from "../../../../src/store/open-objects.ts";
import { errorAnswer } from "../../../servers/s3/s3-answer.ts";
import { startS3Cloud } from "../../../servers/s3/s3-cloud.ts";
import { temporaryFolder } from "../../../store/temporary-folder.ts";
import { largeFileTest } from "./large-file.ts";
import { newProcess } from "./support.ts";

largeFileTest("s3", startS3Cloud, (path) => path.includes("partNumber="));

describe("a large file whose upload an older Varve began", () => {
  it("goes on, with the checksum that S3 asks for since then", async () => {
    const cloud = await startS3Cloud();
    onTestFinished(() => cloud.close());
    const place = parseObjectUrl(cloud.newUrl(), cloud.options());
    const connect = async (): Promise<ObjectClient> => {
      const bucket = await connectTo(place);
      onTestFinished(() => bucket.close());
      return bucket;
    };
    const upload = { localPath: join(await temporaryFolder(), "model.bin"), key: `${place.prefix}model.bin` };
    await writeFile(upload.localPath, new Uint8Array(17 * 1024 * 1024));
    cloud.onRequest = ({ kind, headers }) => {
      if (kind === "createUpload") headers["x-amz-checksum-algorithm"] = "CRC32C";
      return kind === "putPart" ? errorAnswer(503, "SlowDown") : null;
    };
    const cut = newProcess({ bucket: await connect() });
    await expect(uploadFile(cut.transfers, upload)).rejects.toMatchObject({ kind: "busy" });

    cloud.onRequest = null;
    const restarted = newProcess({ bucket: await connect() });
    expect(await uploadFile(restarted.transfers, upload)).toMatchObject({ bytes: 17_825_792, isUnchanged: false });
    expect(restarted.requests).toEqual(["held", "head", "piece 0", "piece 1", "piece 2", "complete"]);
    expect(Object.keys(cloud.objects.get(upload.key)?.checksums ?? {})).toEqual(["x-amz-checksum-crc32c"]);
  });
});
