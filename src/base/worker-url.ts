import type { ResourceLimits } from "node:worker_threads";

/**
 * The URL of a worker's file: `.ts` when this runs from source, `.js` when it runs from the built package, where
 * the compiler rewrites import specifiers but not URLs.
 *
 * @param name - relative path without ending, such as "./saver-thread"
 * @param base - the caller's import.meta.url
 */
export function workerUrl(name: string, base: string): URL {
  return new URL(`${name}${base.endsWith(".ts") ? ".ts" : ".js"}`, base);
}

/**
 * Limits of the saver's threads: what they make dies at once or lies outside the heap, so that a small nursery does
 * (measured: 12 MB less).
 */
export const SMALL_THREAD: ResourceLimits = { maxYoungGenerationSizeMb: 2 };
