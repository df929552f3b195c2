// A server of the S3 protocol in a process of its own, so that its work is none of the measured process's.
import { setPriority } from "node:os";
import { startS3Cloud } from "../../test/servers/s3/s3-cloud.ts";
import { readCertificate } from "./certificate.ts";

// Before it has a thread of its pool.
if (process.argv.includes("--nice")) setPriority(19);
const tls = process.argv.includes("--tls") ? readCertificate() : undefined;
const cloud = await startS3Cloud(tls && { tls });
process.send?.({ port: cloud.port, bucket: cloud.bucket });
process.on("message", () => {
  cloud.objects.clear();
  process.send?.("empty");
});
process.on("disconnect", () => process.exit());
