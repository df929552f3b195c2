import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire, stripTypeScriptTypes } from "node:module";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Asset {
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".ts": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".json": "application/json",
};

/**
 * The files that a browser may ask for, by the path of their URL: a table made once from what lies in three folders. A
 * path is looked up in it and never joined to a folder, so that none can lead out of them.
 */
export class Assets {
  readonly #files: ReadonlyMap<string, string>;
  readonly #read = new Map<string, Promise<Asset>>();

  constructor(files: ReadonlyMap<string, string> = findFiles()) {
    this.#files = files;
  }

  /** Undefined where there is none of this path. */
  get(path: string): Promise<Asset> | undefined {
    const file = this.#files.get(path);
    if (file === undefined) return undefined;
    const known = this.#read.get(file);
    if (known !== undefined) return known;
    const reading = readAsset(file);
    this.#read.set(file, reading);
    // A file that could not be read is tried again by the next who asks.
    reading.catch(() => this.#read.delete(file));
    return reading;
  }
}

async function readAsset(file: string): Promise<Asset> {
  const bytes = await readFile(file);
  const type = TYPES[extname(file)] ?? "application/octet-stream";
  if (extname(file) !== ".ts") return { type, body: Uint8Array.from(bytes) };
  return { type, body: new TextEncoder().encode(stripTypeScriptTypes(bytes.toString("utf8"))) };
}

/** Where this runs from source, modules are `.ts` files, else `.js` files; a browser may ask for either name of both. */
function findFiles(): Map<string, string> {
  const own = dirname(fileURLToPath(import.meta.url));
  const files = new Map<string, string>();
  const page = join(own, "page");
  addFolder(files, page, ["/assets/page/", "/assets/dashboard/page/"]);
  // The second is where a relative import of a module under /assets/page/ leads to.
  addFolder(files, join(own, "..", "record"), ["/assets/record/", "/record/"]);
  addFolder(files, dirname(createRequire(import.meta.url).resolve("uplot")), ["/assets/uplot/"]);
  if (existsSync(join(page, "index.html"))) files.set("/", join(page, "index.html"));
  return files;
}

function addFolder(files: Map<string, string>, folder: string, prefixes: readonly string[]): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const { name } = entry;
    if (!entry.isFile() || TYPES[extname(name)] === undefined || name.endsWith(".d.ts")) continue;
    const file = join(entry.parentPath, name);
    const path = file.slice(folder.length + 1).replaceAll("\\", "/");
    const other = /\.[jt]s$/.test(path) ? `${path.slice(0, -2)}${path.endsWith(".ts") ? "js" : "ts"}` : path;
    for (const prefix of prefixes) {
      for (const each of [other, path]) files.set(`${prefix}${each}`, file);
    }
  }
}
