import { connectAzure } from "../../../src/store/azure/azure-client.ts";
import { startAzureCloud } from "../../servers/azure/azure-cloud.ts";
import { faultMatrix } from "./fault-matrix.ts";

faultMatrix("azure", {
  start: startAzureCloud,
  connect: connectAzure,
  pieceRequests: { begin: 0, put: 1, held: 1, complete: 1, abort: 0, open: 2 },
  atLeast: 440,
});
