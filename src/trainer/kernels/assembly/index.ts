// The WASM module: plain SIMD128 without relaxed operations, which may round differently on another processor.
export { gemm, transpose } from "./gemm";
export { columnSums, relu, reluGradient, tanh, tanhGradient } from "./elementwise";
export { adam, polyak } from "./optimizer";
