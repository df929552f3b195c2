// `npm run build`: compiles src/ to dist/, from nothing, so that no file of an earlier build is published.
import { spawnSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
rmSync(join(root, "dist"), { recursive: true, force: true });
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const done = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: ["ignore", 2, 2] });
if (done.status !== 0) process.exit(done.status ?? 1);
chmodSync(join(root, "dist", "cli", "main.js"), 0o755);
