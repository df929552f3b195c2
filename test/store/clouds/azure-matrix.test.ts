import { connectAzure } from "../../../src/store/azure/azure-client.ts";
import { startAzureCloud } from "../../servers/azure/azure-cloud.ts";
import { faultMatrix } from "./fault-matrix.ts";

faultMatrix("azure", {
  start: startAzureCloud,
  connect: connectAzure,
  atLeast: 335,
});
