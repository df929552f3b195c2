import { startGcsCloud } from "../../../servers/gcs/gcs-cloud.ts";
import { largeFileTest } from "./large-file.ts";

largeFileTest("gcs", startGcsCloud, (path) => path.includes("upload_id="));
