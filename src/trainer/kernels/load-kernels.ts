import type { Kernels } from "./kernels.ts";
import { createTypeScriptKernels } from "./typescript-kernels.ts";
import { loadWasmKernels } from "./wasm-kernels.ts";

/** Loads the WASM kernels, or their TypeScript twin (some fifteen times slower, same bits) where they were not built. */
export function loadKernels(): Kernels {
  try {
    return loadWasmKernels();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return createTypeScriptKernels();
  }
}
