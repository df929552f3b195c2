import { connectGcs } from "../../../src/store/gcs/gcs-client.ts";
import { startGcsCloud } from "../../servers/gcs/gcs-cloud.ts";
import { faultMatrix } from "./fault-matrix.ts";

faultMatrix("gcs", { start: () => startGcsCloud(), connect: connectGcs, atLeast: 335 });
