import { copyFileSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";
import { rolldown } from "rolldown";

/** What is imported by others, run, or started as a thread; without ending. */
const ENTRIES = ["index", "testing/index", "cli/main", "*/**/*-thread"];

/** Its 95 files take as long to find and link as all of ours do joined. */
const INCLUDED = ["zod"];

const CHUNKS = "chunks";

/**
 * Joins compiled modules: an entry of 170 files takes Node 200 ms to load in every process and thread, and 60 joined.
 * Each entry stays where it is and leads to its part under `chunks`; what several of them need is there once.
 *
 * @param folder - of the compiled `index.js`; other modules in it are left as they are
 * @param packages - the `node_modules` folder that has what is joined
 * @returns the files that are needed from now on, relative to `folder`
 */
export async function bundle(folder: string, packages: string): Promise<readonly string[]> {
  const entries = ENTRIES.flatMap((entry) => globSync(`${entry}.js`, { cwd: folder })).map(toPosix);
  const bundled = await rolldown({
    input: Object.fromEntries(entries.map((entry) => [nameOf(entry), join(folder, entry)])),
    platform: "node",
    external: (id) =>
      !/^[./]/.test(id) && !id.includes(":\\") && !INCLUDED.some((name) => `${id}/`.startsWith(`${name}/`)),
    plugins: [{ name: "keep-places", transform: (code, id) => keepPlace(code, toPosix(relative(folder, id))) }],
  });
  const { output } = await bundled.write({
    dir: join(folder, CHUNKS),
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
  });
  await bundled.close();
  for (const entry of entries) writeEntry(folder, entry);
  mkdirSync(join(folder, "licenses"), { recursive: true });
  const licenses = INCLUDED.map((name) => `licenses/${name}.txt`);
  for (const name of INCLUDED) copyFileSync(join(packages, name, "LICENSE"), join(folder, "licenses", `${name}.txt`));
  return [...entries, ...output.map(({ fileName }) => `${CHUNKS}/${fileName}`), ...licenses];
}

const toPosix = (path: string): string => path.replaceAll(sep, "/");

const nameOf = (entry: string): string => entry.replace(/\.js$/, "").replaceAll("/", ".");

/** What a module finds by its own URL lies where it did: the module is still meant by it, and all chunks are one folder deep. */
function keepPlace(code: string, module: string): string | null {
  if (module.startsWith("..") || !code.includes("import.meta.url")) return null;
  return code.replaceAll("import.meta.url", `new URL("../${module}", import.meta.url).href`);
}

function writeEntry(folder: string, entry: string): void {
  const chunk = posix.relative(posix.dirname(entry), `${CHUNKS}/${nameOf(entry)}.js`);
  const path = join(folder, entry);
  const shebang = /^#!.*\n/.exec(readFileSync(path, "utf8"))?.[0] ?? "";
  writeFileSync(path, `${shebang}export * from "${chunk.startsWith(".") ? chunk : `./${chunk}`}";\n`);
}
