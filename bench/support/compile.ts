import { spawnSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundle } from "../../tools/bundle.ts";

const root = join(import.meta.dirname, "..", "..");

/**
 * Compiles the library and the benches; returns the compiled bench's main file.
 *
 * What is measured is what is published: run from its source, Node would strip the types in every thread, and that
 * alone takes about 45 MB. What a bench imports from within the library is there once more, unjoined.
 *
 * @param folder - empty; removed by the caller
 */
export async function compile(folder: string): Promise<string> {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const config = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: { noEmit: false, noCheck: true, rootDir: root, outDir: folder },
    include: [join(root, "src"), join(root, "bench")],
    exclude: [join(root, "src", "trainer", "kernels", "assembly")],
  };
  const file = join(folder, "tsconfig.json");
  writeFileSync(file, JSON.stringify(config));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  symlinkSync(join(root, "build"), join(folder, "build"), "junction");
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  const done = spawnSync(process.execPath, [tsc, "-p", file], { cwd: root, stdio: ["ignore", 2, 2] });
  if (done.status !== 0) process.exit(done.status ?? 1);
  await bundle(join(folder, "src"), join(root, "node_modules"));
  return join(folder, "bench", "main.js");
}
