import { connectGcs } from "../../../src/store/gcs/gcs-client.ts";
import { startGcsCloud } from "../../servers/gcs/gcs-cloud.ts";
import { faultMatrix } from "./fault-matrix.ts";

faultMatrix("gcs", {
  start: () => startGcsCloud(),
  connect: connectGcs,
  pieceRequests: { begin: 1, put: 1, held: 1, complete: 1, abort: 1, open: 0 },
  corruptionEndsUpload: true,
  atLeast: 440,
});
