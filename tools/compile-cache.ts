import { join } from "node:path";

/**
 * Every thread and process that a test starts compiles the same files anew, which takes longer than what most of them
 * are started for. With this variable Node keeps what it compiled, by the content of each file, and finds it again.
 */
export function keepCompiledFiles(): void {
  process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "../node_modules/.cache/varve-compiled");
}
