// Adds to package-lock.json the platform packages that npm left out because the registry it reached lacks them.
//
// npm drops an optional dependency that it cannot look up from the lock file, and `npm ci` then refuses that lock
// file on every machine ("Missing: … from lock file"), because the package that asks for it still does. Each entry
// added here says only what the asking package's own pin and the platform package's name say; there is no integrity
// hash, since nothing was fetched. Run it after changing dependencies: `node tools/complete-lock.ts`.
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface LockEntry {
  version?: string;
  cpu?: string[];
  dev?: true;
  optional?: true;
  os?: string[];
  libc?: string[];
  license?: string;
  optionalDependencies?: Record<string, string>;
}

interface Lock {
  packages: Record<string, LockEntry>;
}

const root = join(import.meta.dirname, "..");
const lockFile = join(root, "package-lock.json");

const PLATFORM =
  /(?<os>android|darwin|freebsd|linux|openharmony|win32)-(?<cpu>arm64|arm|x64|ia32|ppc64|riscv64|s390x)(?:-(?<abi>\w+))?$/;

/** What npm would have read from the platform package's own description. */
function platformOf(name: string): Pick<LockEntry, "cpu" | "libc" | "os"> | null {
  const groups = PLATFORM.exec(name)?.groups;
  if (groups?.["os"] === undefined || groups["cpu"] === undefined) return null;
  const abi = groups["abi"] ?? "";
  const libc = abi.startsWith("musl") ? "musl" : groups["os"] === "linux" ? "glibc" : null;
  return { cpu: [groups["cpu"]], os: [groups["os"]], ...(libc === null ? {} : { libc: [libc] }) };
}

/** The optional dependencies without an entry of their own, as lock entries by path. */
export function missingEntries(lock: Lock): Map<string, LockEntry> {
  const missing = new Map<string, LockEntry>();
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (lock.packages[`node_modules/${name}`] !== undefined || lock.packages[`${path}/node_modules/${name}`])
        continue;
      const platform = platformOf(name);
      if (platform === null || !/^\d/.test(version)) continue;
      missing.set(`node_modules/${name}`, {
        version,
        cpu: platform.cpu ?? [],
        ...(entry.dev === true ? { dev: true } : {}),
        ...(platform.libc === undefined ? {} : { libc: platform.libc }),
        ...(entry.license === undefined ? {} : { license: entry.license }),
        optional: true,
        os: platform.os ?? [],
      });
    }
  }
  return missing;
}

if (import.meta.main) {
  const lock = JSON.parse(readFileSync(lockFile, "utf8")) as Lock;
  const missing = missingEntries(lock);
  for (const [path, entry] of missing) lock.packages[path] = entry;
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en"));
  lock.packages = Object.fromEntries(sorted);
  if (missing.size > 0) writeFileSync(lockFile, `${JSON.stringify(lock, null, 2)}\n`);
  // What is installed does not change by this: keep tools/prepare.mjs from installing everything again.
  const now = new Date();
  utimesSync(join(root, "node_modules", ".package-lock.json"), now, now);
  console.log(`${missing.size} platform packages added to package-lock.json`);
}
