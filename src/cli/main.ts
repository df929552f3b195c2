#!/usr/bin/env node
// Nothing else may be imported here: a Node without zstd could not load it, and the message below would never be seen.
import * as modules from "node:module";
import * as zlib from "node:zlib";
import { describeWrongNode } from "../base/node-version.ts";
import { EXIT } from "./exit-codes.ts";

const wrongNode = describeWrongNode(process.versions.node, "zstdCompressSync" in zlib);
if (wrongNode !== null) {
  process.stderr.write(`${wrongNode}\n`);
  process.exit(EXIT.usage);
}
// Compiled sources are kept in the system's temporary folder: the next start takes half the time. The variable hands
// that on to the saver's threads.
modules.enableCompileCache();
const cacheFolder = modules.getCompileCacheDir();
if (cacheFolder !== undefined) process.env["NODE_COMPILE_CACHE"] = cacheFolder;
const { runProgram } = await import("./program.ts");
process.exitCode = await runProgram(process.argv.slice(2));
