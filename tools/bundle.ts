import { copyFileSync, globSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { isAbsolute, join, posix, relative, sep } from "node:path";
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
 * @param compiled - the folder of the compiled `index.js`; other modules in it are left as they are
 * @param packages - the `node_modules` folder that has what is joined
 * @returns the files that are needed from now on, relative to `compiled`
 */
export async function bundle(compiled: string, packages: string): Promise<readonly string[]> {
  // As rolldown names modules.
  const folder = realpathSync(compiled);
  const entries = ENTRIES.flatMap((entry) => globSync(`${entry}.js`, { cwd: folder })).map(toPosix);
  const bundled = await rolldown({
    input: Object.fromEntries(entries.map((entry) => [nameOf(entry), join(folder, entry)])),
    platform: "node",
    external: isOutside,
    plugins: [{ name: "keep-places", transform: (code, id) => keepPlace(code, toPosix(relative(folder, id))) }],
  });
  const { output } = await bundled.write({
    dir: join(folder, CHUNKS),
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
  });
  await bundled.close();
  // Errors are told apart by the names of their classes, also from thread to thread.
  const renamed = output.find((chunk) => chunk.type === "chunk" && /\bclass \w+\$\d/.test(chunk.code));
  if (renamed !== undefined) throw new Error(`two classes of one name meet in ${renamed.fileName}: rename one`);
  for (const entry of entries) writeEntry(folder, entry);
  mkdirSync(join(folder, "licenses"), { recursive: true });
  const licenses = INCLUDED.map((name) => `licenses/${name}.txt`);
  for (const name of INCLUDED) copyFileSync(join(packages, name, "LICENSE"), join(folder, "licenses", `${name}.txt`));
  return [...entries, ...output.map(({ fileName }) => `${CHUNKS}/${fileName}`), ...licenses];
}

/** Paths, and what is included; all else is imported as it was. */
const isOutside = (id: string): boolean =>
  !id.startsWith(".") && !isAbsolute(id) && !INCLUDED.some((name) => `${id}/`.startsWith(`${name}/`));

const toPosix = (path: string): string => path.replaceAll(sep, "/");

const nameOf = (entry: string): string => entry.replace(/\.js$/, "").replaceAll("/", ".");

/** What a module finds by its own URL lies where it did: the module is still meant by it, and all chunks are one folder deep. */
function keepPlace(code: string, module: string): string | null {
  // What rolldown adds has no place, and a name with a 0 in it.
  if (module.includes("\0") || !code.includes("import.meta.url")) return null;
  if (module.startsWith("..")) throw new Error(`${module} asks for its own place, and lies outside of what is joined`);
  return code.replaceAll("import.meta.url", `new URL("../${module}", import.meta.url).href`);
}

function writeEntry(folder: string, entry: string): void {
  const chunk = posix.relative(posix.dirname(entry), `${CHUNKS}/${nameOf(entry)}.js`);
  const path = join(folder, entry);
  const shebang = /^#!.*\n/.exec(readFileSync(path, "utf8"))?.[0] ?? "";
  writeFileSync(path, `${shebang}export * from "${chunk.startsWith(".") ? chunk : `./${chunk}`}";\n`);
}
