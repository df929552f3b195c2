import { startS3Cloud } from "../../../servers/s3/s3-cloud.ts";
import { largeFileTest } from "./large-file.ts";

largeFileTest("s3", startS3Cloud, (path) => path.includes("partNumber="));
