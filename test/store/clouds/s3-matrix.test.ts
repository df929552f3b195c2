import { connectS3 } from "../../../src/store/s3/s3-client.ts";
import { startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import { faultMatrix, SMALL } from "./fault-matrix.ts";

faultMatrix("s3", {
  start: () => startS3Cloud({ pageSize: SMALL.pageSize, minPartBytes: SMALL.pieceBytes }),
  connect: connectS3,
  atLeast: 335,
});
