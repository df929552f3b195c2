// `npm run build`: compiles src/ to dist/, from nothing, so that no file of an earlier build is published, and joins the
// modules. The dashboard's page is compiled by itself, against what browsers have; files of other kinds lie beside its
// modules.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, globSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { bundle } from "./bundle.ts";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");

function compile(...args: readonly string[]): void {
  const done = spawnSync(process.execPath, [tsc, "-p", ...args], { cwd: root, stdio: ["ignore", 2, 2] });
  if (done.status !== 0) process.exit(done.status ?? 1);
}

/** A module and all that it imports from beside it: what a browser loads, one by one. */
function importedFrom(path: string, found = new Set<string>()): Set<string> {
  if (found.has(path)) return found;
  found.add(path);
  for (const [, name = ""] of readFileSync(path, "utf8").matchAll(/\b(?:from|import) "(\.[^"]+)"/g)) {
    // Paths of URLs: the page's own folders are served side by side, and a browser may ask for either ending.
    importedFrom(join(dirname(path), name.replace(/\.ts$/, ".js")), found);
  }
  return found;
}

compile("tsconfig.build.json");
// What the page imports from other rooms is emitted once more, as the same bytes.
compile("tsconfig.page.json", "--noEmit", "false");
const page = join("dashboard", "page");
for (const name of readdirSync(join(root, "src", page))) {
  if (extname(name) !== ".ts") copyFileSync(join(root, "src", page, name), join(dist, page, name));
}

const joined = await bundle(dist, join(root, "node_modules"));
const ofPage = importedFrom(join(dist, page, "main.js"));
for (const name of globSync("**/*.js", { cwd: dist })) {
  const path = join(dist, name);
  if (!joined.includes(name.replaceAll("\\", "/")) && !ofPage.has(path)) rmSync(path);
}
chmodSync(join(dist, "cli", "main.js"), 0o755);
