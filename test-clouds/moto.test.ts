import { startMoto } from "./support/s3-server.ts";
import { s3Suite } from "./support/s3-suite.ts";
import { findMoto } from "./support/s3-tools.ts";

/** It does not look at what S3 verifies: no checksum of an upload, no part of a list to complete. */
const DIFFERS = [
  "put",
  "put with a wrong CRC-32C",
  "put with a wrong MD5",
  "put with a wrong SHA-256",
  // What it should have refused is there.
  "put where none is",
  "get with checksum",
  // A space is `%20`, where S3 has `+`.
  "names in a listing",
  "put with SHA-256",
  "put with two checksums",
  "get with SHA-256",
  "part with SHA-256",
  "part with a wrong SHA-256",
  "part with CRC-32C, not SHA-256",
  "parts of SHA-256",
  "complete without SHA-256",
  "part",
  "part with a wrong CRC-32C",
  "parts",
  "complete of a part that is absent",
  "complete with a wrong ETag",
  "complete with a wrong checksum",
  "complete without checksums",
  "complete with a part twice",
  "complete of no parts",
  "complete with a gap",
  "its checksum",
  // With status 500, where S3 says NoSuchUpload.
  "part of what was aborted",
  "complete of what was aborted",
  "part without checksum",
  "part with a checksum that was not announced",
];

s3Suite("s3 of moto", await findMoto(), startMoto, { differs: DIFFERS, refusesUnknown: false });
