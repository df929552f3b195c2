import { connectS3 } from "../../../src/store/s3/s3-client.ts";
import { startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import { SMALL } from "./fault-bench.ts";
import { faultMatrix } from "./fault-matrix.ts";

faultMatrix("s3", {
  start: () => startS3Cloud({ pageSize: SMALL.pageSize, minPartBytes: SMALL.pieceBytes }),
  connect: connectS3,
  pieceRequests: { begin: 1, put: 1, held: 1, complete: 2, abort: 1, open: 1 },
  atLeast: 440,
});
