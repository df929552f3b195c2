import { realSuite } from "./support/real-suite.ts";

const connectionString = process.env["AZURE_STORAGE_CONNECTION_STRING"];

realSuite("VARVE_TEST_GCS", "gs://bucket/prefix");
realSuite("VARVE_TEST_S3", "s3://bucket/prefix");
realSuite(
  "VARVE_TEST_AZURE",
  "az://account/container/prefix",
  connectionString === undefined ? {} : { connectionString },
);
