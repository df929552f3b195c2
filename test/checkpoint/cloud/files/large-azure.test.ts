import { startAzureCloud } from "../../../servers/azure/azure-cloud.ts";
import { largeFileTest } from "./large-file.ts";

largeFileTest("azure", startAzureCloud, (path) => path.includes("comp=block&") || path.endsWith("comp=block"));
