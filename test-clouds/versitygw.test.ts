import { startVersitygw } from "./support/s3-server.ts";
import { s3Suite } from "./support/s3-suite.ts";
import { findVersitygw } from "./support/s3-tools.ts";

const DIFFERS = [
  // It does not know `encoding-type=url`.
  "names in a listing",
  // It acknowledges to complete any upload, if only an object of that name exists; nothing is changed.
  "complete of what was aborted",
  // It takes it; S3 refuses it, as its users report: "expected checksum Type: null, actual checksum Type: sha256".
  "part with a checksum that was not announced",
];

s3Suite("s3 of versitygw", await findVersitygw(), startVersitygw, { differs: DIFFERS });
