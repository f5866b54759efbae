/**
 * The library of CRCs in WebAssembly; see yaml.ts.
 * @module
 */
export { createCRC32, createCRC64 } from "hash-wasm";
