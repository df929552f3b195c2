// `npm run build`: compiles src/ to dist/, from nothing, so that no file of an earlier build is published, and joins the
// modules. The dashboard's page is compiled by itself, against what browsers have; files of other kinds lie beside its
// modules.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, globSync, readdirSync, rmSync } from "node:fs";
import { extname, join } from "node:path";
import { bundle } from "./bundle.ts";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");

function compile(...args: readonly string[]): void {
  const done = spawnSync(process.execPath, [tsc, "-p", ...args], { cwd: root, stdio: ["ignore", 2, 2] });
  if (done.status !== 0) process.exit(done.status ?? 1);
}

compile("tsconfig.build.json");
// What the page imports from other rooms is emitted once more, as the same bytes.
compile("tsconfig.page.json", "--noEmit", "false");
const page = join("dashboard", "page");
for (const name of readdirSync(join(root, "src", page))) {
  if (extname(name) !== ".ts") copyFileSync(join(root, "src", page, name), join(dist, page, name));
}

/** What a browser loads, module by module. */
const OF_PAGE = ["dashboard/page/", "record/"];
const joined = await bundle(dist, join(root, "node_modules"));
for (const path of globSync("**/*.js", { cwd: dist })) {
  const name = path.replaceAll("\\", "/");
  if (!joined.includes(name) && !OF_PAGE.some((folder) => name.startsWith(folder))) rmSync(join(dist, path));
}
chmodSync(join(dist, "cli", "main.js"), 0o755);
