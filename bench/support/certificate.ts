import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type SelfSigned, selfSigned } from "../../test/servers/self-signed.ts";

const TRUSTED = "NODE_EXTRA_CA_CERTS";
const CERTIFICATE = "VARVE_BENCH_CERTIFICATE";
const KEY = "VARVE_BENCH_KEY";

/**
 * Makes a certificate for servers on this machine. A process learns whom to trust when it begins, and no later.
 *
 * @returns what the environment of a process has to say so that it, its threads and its children trust it
 */
export function makeCertificate(folder: string): Readonly<Record<string, string>> {
  const { key, cert } = selfSigned("127.0.0.1");
  const paths = {
    [TRUSTED]: join(folder, "trusted.pem"),
    [CERTIFICATE]: join(folder, "certificate.pem"),
    [KEY]: join(folder, "key.pem"),
  };
  // Beside those that the machine names already: npm, started by a case, may reach its registry by one of them.
  const named = process.env[TRUSTED];
  const others = named !== undefined && existsSync(named) ? readFileSync(named, "utf8") : "";
  writeFileSync(paths[TRUSTED], `${cert}\n${others}`);
  writeFileSync(paths[CERTIFICATE], cert);
  writeFileSync(paths[KEY], key);
  return paths;
}

/** The one that this process was told of. */
export function readCertificate(): SelfSigned {
  const read = (name: string): string => readFileSync(process.env[name] ?? "", "utf8");
  return { key: read(KEY), cert: read(CERTIFICATE) };
}
